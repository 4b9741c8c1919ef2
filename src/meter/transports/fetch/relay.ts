import { endOf } from "../../call/abandoned-calls.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { createWholeBody, type WholeBody } from "../bodies/whole-body.ts";
import { nativeStreams } from "./native-streams.ts";

export type Bytes = ReadableStream<Uint8Array>;
export type Reader = ReadableStreamDefaultReader<Uint8Array>;
export type Result = ReadableStreamReadResult<Uint8Array>;
export type Chunk = Uint8Array<ArrayBuffer>;
type Controller = ReadableByteStreamController | ReadableStreamDefaultController<Uint8Array>;

/**
 * What the caller reads in place of a body: a stream of the runtime's own that reads the body only when it is read
 * itself, and passes every byte on. Every way of reading goes through it, also those that look into the runtime's own
 * state of a stream: Node's, a transfer, another `Response`. It reads nothing ahead, and cancelling it cancels the body.
 */
export interface Relay {
  readonly stream: Bytes;
  readonly source: RelaySource;
}

/** `keep` lives until the body is read: fetch cancels the body of a response that was collected before. */
export function openRelay(body: Bytes, call: OpenCall, keep: unknown): Relay {
  const source = new RelaySource(body, call, keep);
  const stream = new ReadableStream(source as UnderlyingDefaultSource, NOTHING_AHEAD) as Bytes;
  return { stream, source };
}

const NOTHING_AHEAD = { highWaterMark: 0 };

/** A class, because there is one for each open stream, and its methods take no memory there. */
export class RelaySource {
  // Handing a chunk to a byte stream takes its memory away, which is ours to give only where it was given to us so.
  readonly type: "bytes" | undefined;
  readonly body: Bytes;
  readonly call: OpenCall;
  keep: unknown;
  #whole: WholeBody | undefined = undefined;
  #controller: Controller | undefined = undefined;
  #reader: Reader | undefined = undefined;
  #closed = false;
  /** What was read before the caller asked for it. */
  #ahead: Promise<Result>[] | undefined = undefined;

  constructor(body: Bytes, call: OpenCall, keep: unknown) {
    this.type = isByteStream(body) ? "bytes" : undefined;
    this.body = body;
    this.call = call;
    this.keep = keep;
  }

  start(controller: Controller): void {
    this.#controller = controller;
  }

  async pull(controller: Controller): Promise<void> {
    const { call } = this;
    const reader = this.lock();
    try {
      while (!this.#closed) {
        const { done, value } = await (this.#ahead?.shift() ?? reader.read());
        if (done) return this.#end(controller);
        const passed = value instanceof Uint8Array ? this.#see(value) : value;
        if (passed.byteLength > 0) controller.enqueue(passed as Chunk);
        else if (!call.isCut) continue;
        if (!call.isCut) return;
        // What the vendor still sends is billed.
        this.close();
        await reader.cancel();
        return;
      }
    } catch (error) {
      // The bytes held back come before the error, which the next read returns again.
      const rest = call.breakOff(endOf(error, call));
      if (rest.byteLength === 0) throw error;
      controller.enqueue(rest as Chunk);
    }
  }

  cancel(reason: unknown): Promise<void> {
    this.#closed = true;
    this.call.settle({ type: "cancel" });
    return this.#reader ? this.#reader.cancel(reason) : nativeStreams().cancel.call(this.body, reason);
  }

  /** The body's one reader. */
  lock(): Reader {
    if (this.#reader === undefined) {
      this.#reader = nativeStreams().getReader.call(this.body) as Reader;
      this.keep = undefined;
    }
    return this.#reader;
  }

  /** The reader that the caller had is gone: what it still awaited is rejected. */
  unlock(): void {
    this.#reader?.releaseLock();
    this.#reader = undefined;
  }

  /** Reads a chunk that the caller has not asked for; it gets it when it does. */
  readAhead(): Promise<Result> {
    const read = this.lock().read();
    // The caller learns of an error when it reads.
    read.catch(() => {});
    this.#ahead ??= [];
    this.#ahead.push(read);
    return read;
  }

  /** Ends the caller's stream. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#controller?.close();
    (this.#controller as ReadableByteStreamController).byobRequest?.respond(0);
  }

  /** Ends the caller's stream with an error. */
  fail(error: unknown): void {
    this.#closed = true;
    this.#controller?.error(error);
  }

  #see(chunk: Uint8Array): Uint8Array {
    const { call } = this;
    if (call.over) return chunk;
    return call.stream ? call.chunk(chunk) : this.#wholeBody().add(chunk);
  }

  #end(controller: Controller): void {
    const rest = this.call.stream ? this.call.end() : this.#wholeBody().end();
    if (rest.byteLength > 0) controller.enqueue(rest as Chunk);
    this.close();
  }

  #wholeBody(): WholeBody {
    this.#whole ??= createWholeBody(this.call);
    return this.#whole;
  }
}

/** A stream that transfers the memory of each enqueued chunk. */
function isByteStream(stream: Bytes): boolean {
  try {
    nativeStreams()
      .getReader.call(stream, { mode: "byob" } as never)
      .releaseLock();
    return true;
  } catch {
    return false;
  }
}
