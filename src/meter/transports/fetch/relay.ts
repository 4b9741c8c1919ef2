import { Readable } from "node:stream";
import { type AbandonedCalls, endOf } from "../../call/abandoned-calls.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { createStamp } from "../../tracing/stamp.ts";
import { createWholeBody, type WholeBody } from "./whole-body.ts";

export type Bytes = ReadableStream<Uint8Array>;
type Reader = ReadableStreamDefaultReader<Uint8Array>;
type Result = ReadableStreamReadResult<Uint8Array>;
type Chunk = Uint8Array<ArrayBuffer>;
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

/** `keep` lives as long as the stream: fetch cancels the body of a response that was collected. */
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
  readonly keep: unknown;
  /** The chunks come by another way, see {@link iterateRelay}. */
  bypassed = false;
  readonly #whole: WholeBody;
  #controller: Controller | undefined = undefined;
  #reader: Reader | undefined = undefined;
  /** What was read before the caller asked for it. */
  #ahead: Promise<Result>[] | undefined = undefined;

  constructor(body: Bytes, call: OpenCall, keep: unknown) {
    this.type = isByteStream(body) ? "bytes" : undefined;
    this.body = body;
    this.call = call;
    this.keep = keep;
    this.#whole = createWholeBody(call);
  }

  start(controller: Controller): void {
    this.#controller = controller;
  }

  async pull(controller: Controller): Promise<void> {
    if (this.bypassed) return FOREVER;
    const { call } = this;
    const reader = this.lock();
    try {
      for (;;) {
        const { done, value } = await (this.#ahead?.shift() ?? reader.read());
        if (done) return this.#end(controller);
        const passed = value instanceof Uint8Array ? this.#see(value) : value;
        if (passed.byteLength > 0) controller.enqueue(passed as Chunk);
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
      controller.enqueue(rest as Chunk);
    }
  }

  cancel(reason: unknown): Promise<void> {
    if (this.bypassed) return Promise.resolve();
    this.call.settle({ type: "cancel" });
    return this.#reader ? this.#reader.cancel(reason) : CANCEL.call(this.body, reason);
  }

  /** The body's one reader. */
  lock(): Reader {
    this.#reader ??= GET_READER.call(this.body) as Reader;
    return this.#reader;
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

  /** Whether chunks may come by another way. */
  get isUntouched(): boolean {
    return this.#reader === undefined && !this.bypassed;
  }

  fail(error: unknown): void {
    this.#controller?.error(error);
  }

  #see(chunk: Uint8Array): Uint8Array {
    const { call } = this;
    if (call.over) return chunk;
    return call.stream ? call.chunk(chunk) : this.#whole.add(chunk);
  }

  #end(controller: Controller): void {
    const rest = this.#whole.end();
    if (rest.byteLength > 0) controller.enqueue(rest as Chunk);
    controller.close();
    (controller as ReadableByteStreamController).byobRequest?.respond(0);
  }
}

const FOREVER = new Promise<never>(() => {});

/** Streams whose own iterator may take the chunks straight from the body, by their source. */
const iterable = createStamp<{ readonly source: RelaySource; readonly abandoned: AbandonedCalls }>();

/**
 * Lets the stream's own iterator take the chunks straight from the body, which costs a tenth of passing each through a
 * stream of ours: for SDKs, which read so.
 */
export function allowIteration({ stream, source }: Relay, abandoned: AbandonedCalls): void {
  watchIterators();
  iterable.set(stream, { source, abandoned });
}

let watching = false;

/** Puts our `values` in place of the runtime's, for all streams; once, at the first stream of an SDK. */
function watchIterators(): void {
  if (watching) return;
  watching = true;
  const { prototype } = ReadableStream;
  const { values: ours } = {
    values(this: Bytes, ...options: [ReadableStreamIteratorOptions?]): AsyncIterator<Uint8Array> {
      const known = typeof this === "object" && this !== null ? iterable.get(this) : undefined;
      if (
        known === undefined ||
        options[0] !== undefined ||
        this.locked ||
        !known.source.isUntouched ||
        Readable.isDisturbed(this as never)
      ) {
        return VALUES.apply(this, options) as AsyncIterator<Uint8Array>;
      }
      return iterateRelay(this, known.source, known.abandoned);
    },
  };
  Object.defineProperty(ours, "length", { value: VALUES.length, configurable: true });
  for (const name of ["values", Symbol.asyncIterator] as const) {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
    if (descriptor?.value !== VALUES || descriptor.configurable !== true) continue;
    Object.defineProperty(prototype, name, { ...descriptor, value: ours });
  }
}

/**
 * The body's own iterator, each of whose results we see before the caller does. The caller's stream is locked
 * meanwhile, is read once to show as read, and ends as the body does.
 */
function iterateRelay(stream: Bytes, source: RelaySource, abandoned: AbandonedCalls): AsyncIterator<Uint8Array> {
  const { call, body } = source;
  source.bypassed = true;
  const lock = GET_READER.call(stream) as Reader;
  const iterator = VALUES.call(body) as AsyncIterator<Uint8Array>;
  const tap = new IteratorTap(iterator, source, lock);
  // Once the iterator is gone no read can follow: its lock is never released.
  abandoned.watch(iterator, call);
  // Assigned, not defined: the next iterator then has the same shape, and is as fast as a bare one.
  iterator.next = function next() {
    return tap.next();
  } as typeof iterator.next;
  iterator.return = { return: (value: unknown) => tap.return(value) }.return as NonNullable<typeof iterator.return>;
  return iterator;
}

/** Sees each result of an iterator before the caller does. */
class IteratorTap {
  readonly #source: RelaySource;
  readonly #next: () => Promise<Result>;
  readonly #return: (value: unknown) => Promise<Result>;
  /** Each chunk of a byte stream has its own memory. */
  readonly #owned: boolean;
  #lock: Reader | undefined;
  #begun = false;
  /** The body's error, behind the bytes that were held back. */
  #error: { readonly value: unknown } | undefined = undefined;

  constructor(iterator: AsyncIterator<Uint8Array>, source: RelaySource, lock: Reader) {
    this.#source = source;
    this.#next = iterator.next.bind(iterator) as () => Promise<Result>;
    this.#return = iterator.return?.bind(iterator) as (value: unknown) => Promise<Result>;
    this.#owned = source.call.hides && source.type === "bytes";
    this.#lock = lock;
  }

  /** The caller gets the very promise that the body gave, unless bytes have to be taken out. */
  next(): Promise<Result> {
    if (!this.#begun) {
      this.#begun = true;
      this.#lock?.read().catch(() => {});
    }
    const promise = this.#next();
    if (this.#source.call.hides) return this.#withoutHidden(promise);
    promise.then(this.#show, this.#fail);
    return promise;
  }

  return(value: unknown): Promise<Result> {
    this.#source.call.settle({ type: "cancel" });
    this.#close();
    return this.#return(value);
  }

  #withoutHidden(promise: Promise<Result>): Promise<Result> {
    return promise.then(
      (result) => {
        if (result.done && this.#error !== undefined) {
          const { value } = this.#error;
          this.#error = undefined;
          throw value;
        }
        const rest = this.#show(result);
        if (rest.byteLength > 0) return { done: false, value: rest };
        // The chunk holds nothing for the caller.
        return !result.done && result.value?.byteLength === 0 ? this.next() : result;
      },
      (error: unknown) => {
        const rest = this.#fail(error);
        if (rest.byteLength === 0) throw error;
        // An iterator that failed has ended: its next result is done, and not the error.
        this.#error = { value: error };
        return { done: false, value: rest };
      },
    );
  }

  /** Returns the bytes held back until the end; they come before the end, which the next read returns again. */
  readonly #show = (result: Result): Chunk => {
    const { call } = this.#source;
    if (result.done) {
      this.#close();
      return call.end() as Chunk;
    }
    const { value } = result;
    if (!(value instanceof Uint8Array)) return NOTHING;
    const passed = call.chunk(value, this.#owned) as Chunk;
    if (passed !== value) result.value = passed;
    return NOTHING;
  };

  /** Returns the bytes held back, which come before the error. */
  readonly #fail = (error: unknown): Chunk => {
    const { call } = this.#source;
    this.#source.fail(error);
    this.#release();
    return call.breakOff(endOf(error, call)) as Chunk;
  };

  /** Ends the caller's stream; the body has ended, or is being canceled. */
  #close(): void {
    this.#lock?.cancel().catch(() => {});
    this.#release();
  }

  #release(): void {
    this.#lock?.releaseLock();
    this.#lock = undefined;
  }
}

const NOTHING: Chunk = new Uint8Array(0);

const { getReader: GET_READER, cancel: CANCEL, values: VALUES } = ReadableStream.prototype;

/** A stream that transfers the memory of each enqueued chunk. */
function isByteStream(stream: Bytes): boolean {
  try {
    GET_READER.call(stream, { mode: "byob" } as never).releaseLock();
    return true;
  } catch {
    return false;
  }
}
