import { endOf } from "../../call/abandoned-calls.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { createWholeBody } from "./whole-body.ts";

/**
 * A stream that reads `body` only when it is read itself and passes every byte on: for callers whose way of reading we
 * do not know. It reads nothing ahead, and cancelling it cancels the body. `keep` must live as long as the stream:
 * fetch cancels the body of a response that was collected.
 */
export function pullThrough(
  body: ReadableStream<Uint8Array>,
  call: OpenCall,
  keep: unknown,
): ReadableStream<Uint8Array> {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const whole = createWholeBody(call);
  const see = (chunk: Uint8Array) => (call.stream ? call.chunk(chunk) : whole.add(chunk));

  const source: UnderlyingByteSource & { keep: unknown } = {
    keep,
    type: "bytes",
    async pull(controller) {
      reader ??= GET_READER.call(body) as ReadableStreamDefaultReader<Uint8Array>;
      try {
        for (;;) {
          const { done, value } = await reader.read();
          if (done) {
            const rest = whole.end();
            if (rest.byteLength > 0) controller.enqueue(rest as Uint8Array<ArrayBuffer>);
            controller.close();
            controller.byobRequest?.respond(0);
            return;
          }
          const passed = value instanceof Uint8Array ? see(value) : value;
          if (passed.byteLength > 0) controller.enqueue(passed as Uint8Array<ArrayBuffer>);
          else if (!call.isCut) continue;
          if (!call.isCut) return;
          // What the vendor still sends is billed.
          controller.close();
          await reader.cancel();
          return;
        }
      } catch (error) {
        // The bytes held back come before the error, which the next read returns again.
        const rest = call.breakOff(endOf(error, call));
        if (rest.byteLength === 0) throw error;
        controller.enqueue(rest as Uint8Array<ArrayBuffer>);
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

/** The body may be one whose own `getReader` we watch. */
const { getReader: GET_READER, cancel: CANCEL } = ReadableStream.prototype;

/** A stream that transfers the memory of each enqueued chunk. */
export function isByteStream(stream: ReadableStream): boolean {
  try {
    GET_READER.call(stream, { mode: "byob" } as never).releaseLock();
    return true;
  } catch {
    return false;
  }
}
