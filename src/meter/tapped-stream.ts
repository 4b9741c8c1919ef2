import { Readable } from "node:stream";
import { type Collector, endOf } from "./collector.ts";
import type { OpenCall } from "./open-call.ts";
import { pullThrough } from "./pull-stream.ts";

type Bytes = ReadableStream<Uint8Array>;
type Result = ReadableStreamReadResult<Uint8Array>;

interface Tap {
  readonly call: OpenCall;
  readonly collector: Collector;
  /** Pull-through stand-in for the ways of reading that cannot be tapped. */
  standIn: Bytes | undefined;
  /** Whoever reads the stream was given a reader of ours. */
  seen: boolean;
}

const taps = new WeakMap<object, Tap>();

/**
 * Watches a body through its own reader and iterator, the two ways in which the SDKs read: the cheapest there is. The
 * stream stays the same object. Other methods of it get a pull-through stream in its place.
 */
export function tapStream(stream: Bytes, call: OpenCall, collector: Collector): void {
  const tap: Tap = { call, collector, standIn: undefined, seen: false };
  taps.set(stream, tap);
  // Weak, because an open call must not keep alive the stream whose collection would settle it.
  const weak = new WeakRef(stream);
  call.unseen = () => {
    const left = weak.deref();
    return !tap.seen && left !== undefined && (LOCKED.call(left) || Readable.isDisturbed(left as never));
  };
  Object.setPrototypeOf(stream, TAPPED);
}

const NATIVE = ReadableStream.prototype as ReadableStream<Uint8Array>;

/** Looks at a result before the caller does. Only where bytes have to be taken out is the promise another one. */
function watchRead(tap: Tap, read: () => Promise<Result>): Promise<Result> {
  const { call } = tap;
  const promise = read();
  if (call.hides)
    return promise.then(
      (result) => {
        const rest = show(call, result);
        if (rest.byteLength > 0) return { done: false, value: rest };
        // Nothing of the chunk is left for the caller.
        return !result.done && result.value?.byteLength === 0 ? watchRead(tap, read) : result;
      },
      (error) => {
        const event = endOf(error, call);
        // Whoever cancels wants no more.
        const rest = event.type === "cancel" ? NOTHING : call.rest();
        call.settle(event);
        if (rest.byteLength > 0) return { done: false, value: rest };
        throw error;
      },
    );
  promise.then(
    (result) => {
      show(call, result);
    },
    (error: unknown) => call.settle(endOf(error, call)),
  );
  return promise;
}

/** Returns what was kept back until the end; it comes before the end or the error, which the next read gives again. */
function show(call: OpenCall, result: Result): Uint8Array<ArrayBuffer> {
  if (result.done) {
    const rest = call.rest();
    call.settle({ type: call.reading.failed ? "refused" : call.reading.terminal ? "terminal" : "end" });
    return rest as Uint8Array<ArrayBuffer>;
  }
  if (result.value instanceof Uint8Array) result.value = call.chunk(result.value) as Uint8Array<ArrayBuffer>;
  return NOTHING;
}

const NOTHING = new Uint8Array(0);

/** The stand-in; a stream that somebody reads already is itself, so that it refuses as it would without us. */
export function standIn(stream: Bytes): Bytes {
  const tap = taps.get(stream) as Tap;
  if (!tap.standIn && !LOCKED.call(stream)) {
    tap.standIn = pullThrough(stream, tap.call, stream);
    tap.seen = true;
  }
  return tap.standIn ?? stream;
}

const own = (value: unknown): PropertyDescriptor => ({ value, configurable: true, writable: true, enumerable: false });

/**
 * The reader, as an object of its own before it: the stream and its connection hold the reader, so that only of this
 * object can be told that the caller dropped it.
 */
function watchReader(stream: Bytes, tap: Tap): ReadableStreamDefaultReader<Uint8Array> {
  const reader = NATIVE.getReader.call(stream) as ReadableStreamDefaultReader<Uint8Array>;
  const read = reader.read.bind(reader);
  let released = false;
  tap.seen = true;
  const front = Object.create(reader, {
    closed: { configurable: true, get: () => reader.closed },
    read: own(() => watchRead(tap, read)),
    cancel: own((reason?: unknown) => {
      if (!released) tap.call.settle({ type: "cancel" });
      return reader.cancel(reason);
    }),
    releaseLock: own(() => {
      reader.releaseLock();
      released = true;
      // The stream may be read on, without this reader.
      if (!tap.call.settled) tap.collector.move(front, stream, tap.call, "dropped");
    }),
  }) as ReadableStreamDefaultReader<Uint8Array>;
  tap.collector.move(stream, front, tap.call, "dropped");
  return front;
}

function watchIterator(stream: Bytes, tap: Tap, options?: ReadableStreamIteratorOptions): AsyncIterator<Uint8Array> {
  const iterator = NATIVE.values.call(stream, options) as ReadableStreamAsyncIterator<Uint8Array>;
  const next = iterator.next.bind(iterator) as () => Promise<Result>;
  const finish = iterator.return?.bind(iterator);
  tap.seen = true;
  // Nobody can read on once the iterator is gone: the lock goes with it.
  tap.collector.move(stream, iterator, tap.call, "dropped");
  return Object.defineProperties(iterator, {
    next: own(() => watchRead(tap, next)),
    return: own((value?: undefined) => {
      if (options?.preventCancel !== true) tap.call.settle({ type: "cancel" });
      // The stream may be read on.
      else if (!tap.call.settled) tap.collector.move(iterator, stream, tap.call, "dropped");
      return finish?.(value);
    }),
  });
}

const TAPPED = Object.create(NATIVE, {
  getReader: own(function (this: Bytes, options?: ReadableStreamGetReaderOptions) {
    const tap = taps.get(this) as Tap;
    if (tap.standIn) return tap.standIn.getReader(options as never);
    if (options?.mode === "byob") return NATIVE.getReader.call(standIn(this), options);
    return watchReader(this, tap);
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

const LOCKED = Object.getOwnPropertyDescriptor(ReadableStream.prototype, "locked")?.get as () => boolean;
