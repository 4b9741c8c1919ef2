import { endOf } from "./collector.ts";
import type { OpenCall } from "./open-call.ts";

/** Whole bodies above this are passed on unread, in bytes. */
const MAX_BODY = 64 * 1024 * 1024;

/**
 * A stream that reads `body` only when it is read itself and passes every byte on: for callers whose way of reading we
 * do not know. It reads nothing ahead, and cancelling it cancels the body. `keep` must live as long as the stream:
 * fetch cancels the body of a response that was collected.
 */
export function pullThrough(body: ReadableStream<Uint8Array>, call: OpenCall, keep: unknown): ReadableStream<Uint8Array> {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  let whole: Uint8Array[] | undefined = call.stream ? undefined : [];
  let size = 0;

  function observe(chunk: Uint8Array): Uint8Array {
    if (call.stream) return call.chunk(chunk);
    size += chunk.byteLength;
    if (size > MAX_BODY) whole = undefined;
    // The chunk's memory goes to the reader.
    whole?.push(chunk.slice());
    return chunk;
  }

  function finish(): Uint8Array {
    if (call.stream) {
      const rest = call.rest();
      call.settle({ type: call.reading.failed ? "refused" : call.reading.terminal ? "terminal" : "end" });
      return rest;
    }
    if (whole) call.body(Buffer.concat(whole).toString());
    else call.settle({ type: "end" });
    return EMPTY;
  }

  const source: UnderlyingByteSource & { keep: unknown } = {
    keep,
    type: "bytes",
    async pull(controller) {
      reader ??= GET_READER.call(body) as ReadableStreamDefaultReader<Uint8Array>;
      try {
        for (;;) {
          const { done, value } = await reader.read();
          if (done) {
            const rest = finish();
            if (rest.byteLength > 0) controller.enqueue(rest as Uint8Array<ArrayBuffer>);
            controller.close();
            controller.byobRequest?.respond(0);
            return;
          }
          const passed = value instanceof Uint8Array ? observe(value) : value;
          if (passed.byteLength === 0) continue;
          controller.enqueue(passed as Uint8Array<ArrayBuffer>);
          return;
        }
      } catch (error) {
        call.settle(endOf(error));
        throw error;
      }
    },
    cancel(reason) {
      call.settle({ type: "cancel" });
      return reader ? reader.cancel(reason) : CANCEL.call(body, reason);
    },
  };
  // Handing a chunk to a byte stream takes its memory away, which is ours to give only where it was given to us so.
  if (isByteStream(body)) return new ReadableStream(source, { highWaterMark: 0 }) as ReadableStream<Uint8Array>;
  const { type: _, ...plain } = source;
  return new ReadableStream(plain as unknown as UnderlyingDefaultSource<Uint8Array>, { highWaterMark: 0 });
}

const EMPTY = new Uint8Array(0);

/** The body may be one whose own `getReader` we watch. */
const { getReader: GET_READER, cancel: CANCEL } = ReadableStream.prototype;

function isByteStream(stream: ReadableStream): boolean {
  try {
    GET_READER.call(stream, { mode: "byob" } as never).releaseLock();
    return true;
  } catch {
    return false;
  }
}
