import type { Transform } from "node:stream";
import { codingOf, decoded } from "./coding.ts";

/** Reads a coded answer beside its reader, who gets it as it came. */
export interface Decoder {
  /** Takes the next bytes of the body; they are read before the call returns or soon after. */
  add(chunk: Uint8Array): void;
  /** The body has ended. */
  end(): void;
  /** The body broke off: what has come so far is read. */
  cut(): void;
  /** Reads what is left of a body that has ended before the call returns, where it is not long: nobody waits any more. */
  catchUp(): void;
}

/** What a {@link Decoder} finds. */
export interface Decoded {
  chunk(bytes: Uint8Array): void;
  /** All has been read; `broken`: up to where the coding could be read. */
  end(broken: boolean): void;
}

/**
 * The decoder of a body by its `content-encoding`: one coding, or several in the order in which they were applied.
 * Undefined where the body is not coded; null for a coding that we do not know.
 */
export function createDecoder(encoding: string, sink: Decoded): Decoder | undefined | null {
  const codings = codingsOf(encoding);
  if (codings.length === 0) return undefined;
  const streams: Transform[] = [];
  for (const name of codings) {
    const stream = createStream(name);
    if (stream === undefined) return null;
    streams.push(stream);
  }
  const first = streams[0] as Transform;
  const last = streams.at(-1) as Transform;
  let over = false;
  let ended = false;
  /** Coded bytes so far, and how many were given out; undefined once they are many. */
  let kept: Uint8Array[] | undefined = [];
  let size = 0;
  let given = 0;

  function keep(chunk: Uint8Array): void {
    size += chunk.byteLength;
    if (size > MAX_KEPT) kept = undefined;
    else kept?.push(chunk);
  }

  function finish(broken: boolean): void {
    if (over) return;
    over = true;
    sink.end(broken);
  }

  for (const [at, stream] of streams.entries()) {
    stream.on("error", () => finish(true));
    if (at > 0) (streams[at - 1] as Transform).pipe(stream);
  }
  last.on("data", (bytes: Uint8Array) => {
    given += bytes.byteLength;
    if (!over) sink.chunk(bytes);
  });
  last.on("end", () => finish(false));
  return {
    add(chunk) {
      if (over) return;
      keep(chunk);
      first.write(chunk);
    },
    end() {
      ended = true;
      first.end();
    },
    // Without its trailer a coded body ends with an error, after all that could be read of it.
    cut: () => void first.end(),
    catchUp() {
      const whole = over || !ended || kept === undefined ? undefined : decodeWhole(encoding, Buffer.concat(kept));
      if (whole === undefined) return;
      if (whole.byteLength > given) sink.chunk(whole.subarray(given));
      finish(false);
    },
  };
}

const MAX_KEPT = 1024 * 1024;

/** Decodes a whole body at once; undefined where it is long, or in a coding that we do not know. */
export function decodeWhole(encoding: string, coded: Uint8Array): Uint8Array | undefined {
  let bytes: Uint8Array | undefined = coded;
  for (const name of codingsOf(encoding)) {
    const coding = codingOf(name);
    bytes = bytes && coding && decoded(coding, bytes);
  }
  return bytes;
}

/** In the order in which they are taken off. */
function codingsOf(encoding: string): readonly string[] {
  const names = encoding.split(",").flatMap((part) => part.trim().toLowerCase() || []);
  return names.filter((name) => name !== "identity").reverse();
}

/** A stream that gives out what it can at once. */
function createStream(name: string): Transform | undefined {
  const zlib = process.getBuiltinModule("node:zlib");
  const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH } = zlib.constants;
  const flush = { flush: Z_SYNC_FLUSH, finishFlush: Z_SYNC_FLUSH };
  switch (name) {
    case "gzip":
    case "x-gzip":
      return zlib.createGunzip(flush);
    case "deflate":
      return zlib.createInflate(flush);
    case "br":
      return zlib.createBrotliDecompress({ flush: BROTLI_OPERATION_FLUSH, finishFlush: BROTLI_OPERATION_FLUSH });
    case "zstd":
      // In Node 22.15 and later.
      return zlib.createZstdDecompress?.();
    default:
      return undefined;
  }
}
