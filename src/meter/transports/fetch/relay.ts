import { endOf } from "../../call/abandoned-calls.ts";
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
    return this.#reader ? this.#reader.cancel(reason) : CANCEL.call(this.body, reason);
  }

  /** The body's one reader. */
  lock(): Reader {
    if (this.#reader === undefined) {
      this.#reader = GET_READER.call(this.body) as Reader;
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
    if (call.stream) return call.chunk(chunk);
    this.#whole ??= createWholeBody(call);
    return this.#whole.add(chunk);
  }

  #end(controller: Controller): void {
    const rest = this.call.stream ? this.call.end() : this.#endWhole();
    if (rest.byteLength > 0) controller.enqueue(rest as Chunk);
    this.close();
  }

  #endWhole(): Uint8Array {
    this.#whole ??= createWholeBody(this.call);
    return this.#whole.end();
  }
}

/** Streams whose chunks may be taken straight from the body, by their source. */
const tappable = createStamp<RelaySource>();
const taps = createStamp<Tap>();

/**
 * Lets the stream's own reader and iterator take the chunks straight from the body, which costs a tenth of passing each
 * through a stream of ours: for SDKs, which read so. Whatever reads the stream in another way still gets them from it.
 */
export function allowTaps({ stream, source }: Relay): void {
  watchReaders();
  tappable.set(stream, source);
}

let watching = false;

/** Puts our methods in place of the runtime's, for all streams; once, at the first stream of an SDK. */
function watchReaders(): void {
  if (watching) return;
  watching = true;
  const ours = {
    getReader(this: Bytes, ...options: [ReadableStreamGetReaderOptions?]): unknown {
      const reader = GET_READER.apply(this, options as never) as unknown as Reader;
      const source = tappable.get(this);
      if (source !== undefined && options[0]?.mode === undefined) taps.set(reader, new Tap(source, reader, READ));
      return reader;
    },
    read(this: Reader): Promise<Result> {
      const tap = tapOf(this);
      return tap === undefined ? READ.call(this) : tap.read();
    },
    releaseLock(this: Reader): void {
      RELEASE.call(this);
      tapOf(this)?.release();
    },
    values(this: Bytes, ...options: [ReadableStreamIteratorOptions?]): unknown {
      const iterator = VALUES.apply(this, options) as AsyncIterator<Uint8Array>;
      const source = tappable.get(this);
      if (source !== undefined) tapIterator(iterator, source);
      return iterator;
    },
  };
  replace(ReadableStream.prototype, "getReader", ours.getReader);
  replace(ReadableStream.prototype, "values", ours.values);
  replace(ReadableStream.prototype, Symbol.asyncIterator, ours.values);
  replace(ReadableStreamDefaultReader.prototype, "read", ours.read);
  replace(ReadableStreamDefaultReader.prototype, "releaseLock", ours.releaseLock);
}

function replace(prototype: object, name: PropertyKey, ours: object): void {
  const native = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor;
  if (native.configurable !== true) return;
  for (const shown of ["name", "length"] as const) {
    Object.defineProperty(ours, shown, Object.getOwnPropertyDescriptor(native.value, shown) as PropertyDescriptor);
  }
  Object.defineProperty(prototype, name, { ...native, value: ours });
}

function tapOf(reader: unknown): Tap | undefined {
  return typeof reader === "object" && reader !== null ? taps.get(reader) : undefined;
}

function tapIterator(iterator: AsyncIterator<Uint8Array>, source: RelaySource): void {
  const { next, return: finish } = iterator;
  const tap = new Tap(source, iterator, next as () => Promise<Result>);
  // Assigned, not defined: the next iterator then has the same shape, and is as fast as a bare one.
  iterator.next = { next: () => tap.read() }.next as typeof iterator.next;
  iterator.return = {
    return(value: unknown) {
      tap.release();
      return finish?.call(iterator, value);
    },
  }.return as NonNullable<typeof iterator.return>;
}

/**
 * Takes a reader's chunks straight from the body, and sees each before the reader does. The first one comes through the
 * caller's stream, which shows from then on that it was read; the stream ends as the body does.
 */
class Tap {
  readonly #source: RelaySource;
  /** The reader or iterator of the caller's stream, and how it reads. */
  readonly #reader: object;
  readonly #native: () => Promise<Result>;
  /** Each chunk of a byte stream has its own memory. */
  readonly #owned: boolean;
  #phase: "fresh" | "opening" | "open" | "over" = "fresh";

  constructor(source: RelaySource, reader: object, native: () => Promise<Result>) {
    this.#source = source;
    this.#reader = reader;
    this.#native = native;
    this.#owned = source.call.hides && source.type === "bytes";
  }

  /** The caller gets the very promise that the body gave, unless bytes have to be taken out. */
  read(): Promise<Result> {
    if (this.#phase !== "open") return this.#readStream();
    const promise = this.#source.lock().read();
    if (this.#source.call.hides) return this.#withoutHidden(promise);
    promise.then(this.#show, this.#fail);
    return promise;
  }

  /** The reader or iterator is gone. */
  release(): void {
    if (this.#phase === "open") this.#source.unlock();
    this.#phase = "over";
  }

  #readStream(): Promise<Result> {
    const promise = this.#native.call(this.#reader);
    if (this.#phase === "fresh") {
      this.#phase = "opening";
      promise.then(({ done }) => {
        if (this.#phase === "opening" && !done) this.#phase = "open";
      }, NOTHING_TO_DO);
    }
    return promise;
  }

  #withoutHidden(promise: Promise<Result>): Promise<Result> {
    return promise.then(
      (result) => {
        const rest = this.#show(result);
        if (rest.byteLength > 0) return { done: false, value: rest };
        // The chunk holds nothing for the caller.
        return !result.done && result.value?.byteLength === 0 ? this.read() : result;
      },
      (error: unknown) => {
        const rest = this.#fail(error);
        if (rest.byteLength > 0) return { done: false, value: rest };
        throw error;
      },
    );
  }

  /** Returns the bytes held back until the end; they come before the end, which the stream shows from then on. */
  readonly #show = (result: Result): Chunk => {
    const { call } = this.#source;
    if (result.done) {
      this.#end(undefined);
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
    const rest = call.breakOff(endOf(error, call)) as Chunk;
    this.#end({ error }, rest.byteLength > 0);
    return rest;
  };

  /** `awaited`: the caller has to read once more to learn of it. */
  #end(failure: { readonly error: unknown } | undefined, awaited = false): void {
    if (this.#phase !== "open") return;
    this.#phase = "over";
    if (failure === undefined) this.#source.close();
    else this.#source.fail(failure.error);
    // An iterator lets go of its stream when it learns of the end.
    if (!awaited) this.#native.call(this.#reader).catch(NOTHING_TO_DO);
  }
}

const NOTHING: Chunk = new Uint8Array(0);
const NOTHING_TO_DO = (): void => {};

const { getReader: GET_READER, cancel: CANCEL, values: VALUES } = ReadableStream.prototype;
const { read: READ, releaseLock: RELEASE } = ReadableStreamDefaultReader.prototype;

/** A stream that transfers the memory of each enqueued chunk. */
function isByteStream(stream: Bytes): boolean {
  try {
    GET_READER.call(stream, { mode: "byob" } as never).releaseLock();
    return true;
  } catch {
    return false;
  }
}
