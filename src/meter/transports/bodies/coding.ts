/** Longer requests are sent without being read: reading them would hold up the process. */
const MAX_BYTES = 4 * 1024 * 1024;

/** A content coding of a request: how its bytes are read, and written again. */
export interface Coding {
  decode(bytes: Uint8Array): Uint8Array;
  encode(bytes: Uint8Array): Uint8Array;
}

/** The parameter `BROTLI_PARAM_QUALITY`, as web servers set it: the default takes a hundred times as long. */
const QUICK = { params: { 1: 4 } };

/** The coding of a request's bytes by its `content-encoding`; undefined for one that we do not know. */
export function codingOf(name: string): Coding | undefined {
  const zlib = process.getBuiltinModule("node:zlib");
  const options = { maxOutputLength: MAX_BYTES };
  switch (name.trim().toLowerCase()) {
    case "gzip":
    case "x-gzip":
      return { decode: (bytes) => zlib.gunzipSync(bytes, options), encode: zlib.gzipSync };
    case "deflate":
      return { decode: (bytes) => zlib.inflateSync(bytes, options), encode: zlib.deflateSync };
    case "br":
      return {
        decode: (bytes) => zlib.brotliDecompressSync(bytes, options),
        encode: (bytes) => zlib.brotliCompressSync(bytes, QUICK),
      };
    case "zstd":
      return {
        decode: (bytes) => zlib.zstdDecompressSync(bytes, options),
        encode: (bytes) => zlib.zstdCompressSync(bytes),
      };
    default:
      return undefined;
  }
}

/** Undefined for bytes that are long, or not in the coding that their header says. */
export function decoded(coding: Coding, bytes: Uint8Array): Uint8Array | undefined {
  try {
    return coding.decode(bytes);
  } catch {
    return undefined;
  }
}
