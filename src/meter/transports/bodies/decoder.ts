import type { Transform } from "node:stream";

/** Reads a coded answer beside its reader, who gets it as it came. */
export interface Decoder {
  /** Takes the next bytes of the body; they are read before the call returns or soon after. */
  add(chunk: Uint8Array): void;
  /** The body has ended. */
  end(): void;
  /** The body broke off: what has come so far is read. */
  cut(): void;
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
  const names = encoding.split(",").flatMap((part) => part.trim().toLowerCase() || []);
  const codings = names.filter((name) => name !== "identity").reverse();
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

  function finish(broken: boolean): void {
    if (over) return;
    over = true;
    sink.end(broken);
  }

  for (const [at, stream] of streams.entries()) {
    stream.on("error", () => finish(true));
    if (at > 0) (streams[at - 1] as Transform).pipe(stream);
  }
  last.on("data", (bytes: Uint8Array) => !over && sink.chunk(bytes));
  last.on("end", () => finish(false));
  return {
    add: (chunk) => void (over || first.write(chunk)),
    end: () => void first.end(),
    // Without its trailer a coded body ends with an error, after all that could be read of it.
    cut: () => void first.end(),
  };
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
