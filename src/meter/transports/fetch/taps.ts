import { lazy } from "../../../core/values/lazy.ts";
import { endOf } from "../../call/abandoned-calls.ts";
import { createStamp } from "../../tracing/stamp.ts";
import { nativeStreams, webStreams } from "./native-streams.ts";
import { createOverlay } from "./overlay.ts";
import type { Bytes, Chunk, Reader, Relay, RelaySource, Result } from "./relay.ts";

/** By the caller's stream, and by its readers. */
const sources = createStamp<RelaySource>();
const taps = createStamp<Tap>();

/**
 * Lets the stream's own reader and iterator take the chunks straight from the body, which costs a tenth of passing each
 * through a stream of ours: for SDKs, which read so. Whatever reads the stream in another way still gets them from it.
 */
export function allowTaps({ stream, source }: Relay): void {
  sources.set(stream, source);
  Object.setPrototypeOf(stream, tapped().stream);
}

const stream = {
  getReader(this: Bytes, ...options: [ReadableStreamGetReaderOptions?]): unknown {
    const reader = nativeStreams().getReader.apply(this, options as never) as unknown as Reader;
    const source = sources.get(this);
    if (source !== undefined && options[0]?.mode === undefined) {
      taps.set(reader, new Tap(source, reader, nativeStreams().read));
      Object.setPrototypeOf(reader, tapped().reader);
    }
    return reader;
  },
  values(this: Bytes, ...options: [ReadableStreamIteratorOptions?]): unknown {
    const iterator = nativeStreams().values.apply(this, options) as AsyncIterator<Uint8Array>;
    const source = sources.get(this);
    if (source !== undefined) tapIterator(iterator, source);
    return iterator;
  },
};

const reader = {
  read(this: Reader): Promise<Result> {
    const tap = tapOf(this);
    return tap === undefined ? nativeStreams().read.call(this) : tap.read();
  },
  releaseLock(this: Reader): void {
    nativeStreams().releaseLock.call(this);
    tapOf(this)?.release();
  },
};

/** The prototypes of streams and readers that take the chunks from the body. */
const tapped = lazy(() => {
  const { ReadableStream, ReadableStreamDefaultReader } = webStreams();
  return {
    stream: createOverlay(ReadableStream.prototype, (name) => {
      const ours = name === Symbol.asyncIterator ? "values" : name;
      return Object.hasOwn(stream, ours) ? { value: stream[ours as keyof typeof stream] } : undefined;
    }),
    reader: createOverlay(ReadableStreamDefaultReader.prototype, (name) =>
      Object.hasOwn(reader, name) ? { value: reader[name as keyof typeof reader] } : undefined,
    ),
  };
});

function tapOf(read: unknown): Tap | undefined {
  return typeof read === "object" && read !== null ? taps.get(read) : undefined;
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
