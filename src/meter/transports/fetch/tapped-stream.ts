import { Readable } from "node:stream";
import { type AbandonedCalls, endOf } from "../../call/abandoned-calls.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { createStamp } from "../../tracing/stamp.ts";
import { isByteStream, pullThrough } from "./pull-stream.ts";

type Bytes = ReadableStream<Uint8Array>;
type Result = ReadableStreamReadResult<Uint8Array>;
type Chunk = Uint8Array<ArrayBuffer>;

/** Watches one body, and sees each result before the reader does. */
class Tap {
  readonly call: OpenCall;
  readonly abandoned: AbandonedCalls;
  /** Pull-through stand-in for the ways of reading that cannot be tapped. */
  standIn: Bytes | undefined;
  /** Each chunk of a byte stream has its own memory. */
  readonly #owned: boolean;

  constructor(stream: Bytes, call: OpenCall, abandoned: AbandonedCalls) {
    this.call = call;
    this.abandoned = abandoned;
    this.#owned = call.hides && isByteStream(stream);
  }

  /** The caller gets the very promise that the stream gave, unless bytes have to be taken out. */
  watch(read: () => Promise<Result>): Promise<Result> {
    const promise = read();
    if (this.call.hides) return this.#withoutHidden(promise, read);
    promise.then(this.#show, this.#fail);
    return promise;
  }

  #withoutHidden(promise: Promise<Result>, read: () => Promise<Result>): Promise<Result> {
    return promise.then(
      (result) => {
        const rest = this.#show(result);
        if (rest.byteLength > 0) return { done: false, value: rest };
        // The chunk holds nothing for the caller.
        return !result.done && result.value?.byteLength === 0 ? this.watch(read) : result;
      },
      (error) => {
        const rest = this.#fail(error);
        if (rest.byteLength > 0) return { done: false, value: rest };
        throw error;
      },
    );
  }

  /** Returns the bytes held back until the end; they come before the end, which the next read returns again. */
  readonly #show = (result: Result): Chunk => {
    const { call } = this;
    if (result.done) return call.end() as Chunk;
    const { value } = result;
    if (!(value instanceof Uint8Array)) return NOTHING;
    const passed = call.chunk(value, this.#owned) as Chunk;
    if (passed !== value) result.value = passed;
    return NOTHING;
  };

  /** Returns the bytes held back, which come before the error. */
  readonly #fail = (error: unknown): Chunk => this.call.breakOff(endOf(error, this.call)) as Chunk;
}

const NOTHING: Chunk = new Uint8Array(0);
const taps = createStamp<Tap>();

/**
 * Watches a body through its own reader and iterator, the two ways in which the SDKs read: the cheapest there is. The
 * stream stays the same object. Other methods of it get a pull-through stream in its place.
 */
export function tapStream(stream: Bytes, call: OpenCall, abandoned: AbandonedCalls): void {
  taps.set(stream, new Tap(stream, call, abandoned));
  Object.setPrototypeOf(stream, TAPPED);
}

const NATIVE = ReadableStream.prototype as ReadableStream<Uint8Array>;

/** The stand-in. A stream that is already locked is returned as it is, so that it rejects as it would without us. */
export function standIn(stream: Bytes): Bytes {
  const tap = taps.get(stream) as Tap;
  if (!tap.standIn && !LOCKED.call(stream)) {
    tap.standIn = pullThrough(stream, tap.call, stream);
    tap.abandoned.watch(tap.standIn, tap.call, "dropped");
  }
  return tap.standIn ?? stream;
}

const own = (value: unknown): PropertyDescriptor => ({ value, configurable: true, writable: true, enumerable: false });

/**
 * A separate object in front of the reader: the stream and its connection hold the reader, so that only this
 * object shows when the caller drops it. Not an object whose prototype is the reader: each of those has its own shape,
 * which makes all access to readers slow, the runtime's too.
 */
class WatchedReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #stream: Bytes;
  readonly #tap: Tap;
  readonly #read: () => Promise<Result>;
  #released = false;

  constructor(stream: Bytes, tap: Tap) {
    const reader = NATIVE.getReader.call(stream) as ReadableStreamDefaultReader<Uint8Array>;
    this.#reader = reader;
    this.#stream = stream;
    this.#tap = tap;
    this.#read = () => reader.read() as Promise<Result>;
    tap.abandoned.watch(this, tap.call, "dropped");
  }

  get closed(): Promise<unknown> {
    return this.#reader.closed;
  }

  read(): Promise<Result> {
    return this.#tap.watch(this.#read);
  }

  cancel(reason?: unknown): Promise<void> {
    if (!this.#released) this.#tap.call.settle({ type: "cancel" });
    return this.#reader.cancel(reason);
  }

  releaseLock(): void {
    this.#reader.releaseLock();
    this.#released = true;
    // The stream may be read on, without this reader.
    const { call, abandoned } = this.#tap;
    abandoned.watch(this.#stream, call, "dropped");
  }
}
Object.setPrototypeOf(WatchedReader.prototype, ReadableStreamDefaultReader.prototype);

function watchIterator(stream: Bytes, tap: Tap, options?: ReadableStreamIteratorOptions): AsyncIterator<Uint8Array> {
  const iterator = NATIVE.values.call(stream, options) as ReadableStreamAsyncIterator<Uint8Array>;
  const next = iterator.next.bind(iterator) as () => Promise<Result>;
  const finish = iterator.return?.bind(iterator);
  // Once the iterator is gone no read can follow: its lock is never released.
  tap.abandoned.watch(iterator, tap.call, "dropped");
  // Assigned, not defined: the next iterator then has the same shape, and is as fast as a bare one.
  iterator.next = () => tap.watch(next) as ReturnType<typeof iterator.next>;
  iterator.return = (value?: undefined) => {
    if (options?.preventCancel !== true) tap.call.settle({ type: "cancel" });
    // The stream may be read on.
    else tap.abandoned.watch(stream, tap.call, "dropped");
    return finish?.(value) as ReturnType<NonNullable<typeof iterator.return>>;
  };
  return iterator;
}

const TAPPED = Object.create(NATIVE, {
  getReader: own(function (this: Bytes, options?: ReadableStreamGetReaderOptions) {
    const tap = taps.get(this) as Tap;
    if (tap.standIn) return tap.standIn.getReader(options as never);
    if (options?.mode === "byob") return NATIVE.getReader.call(standIn(this), options);
    return new WatchedReader(this, tap);
  }),
  values: own(function (this: Bytes, options?: ReadableStreamIteratorOptions) {
    const tap = taps.get(this) as Tap;
    return tap.standIn ? tap.standIn.values(options) : watchIterator(this, tap, options);
  }),
  [Symbol.asyncIterator]: own(function (this: Bytes, options?: ReadableStreamIteratorOptions) {
    const tap = taps.get(this) as Tap;
    return tap.standIn ? tap.standIn.values(options) : watchIterator(this, tap, options);
  }),
  cancel: own(function (this: Bytes, reason?: unknown) {
    const tap = taps.get(this) as Tap;
    if (tap.standIn) return tap.standIn.cancel(reason);
    if (!this.locked) tap.call.settle({ type: "cancel" });
    return NATIVE.cancel.call(this, reason);
  }),
  tee: own(function (this: Bytes) {
    return NATIVE.tee.call(standIn(this));
  }),
  pipeThrough: own(function (this: Bytes, pair: ReadableWritablePair, options?: StreamPipeOptions) {
    return NATIVE.pipeThrough.call(standIn(this), pair, options);
  }),
  pipeTo: own(function (this: Bytes, target: WritableStream, options?: StreamPipeOptions) {
    return NATIVE.pipeTo.call(standIn(this), target, options);
  }),
  locked: {
    configurable: true,
    get(this: Bytes) {
      return taps.get(this)?.standIn?.locked ?? (LOCKED.call(this) as boolean);
    },
  },
}) as object;

/** Whether a body was read through a reader that we did not provide. */
export function isReadUnseen(body: object): boolean {
  return taps.get(body) !== undefined && (LOCKED.call(body) || Readable.isDisturbed(body as never));
}

const LOCKED = Object.getOwnPropertyDescriptor(ReadableStream.prototype, "locked")?.get as () => boolean;
