type Zlib = typeof import("node:zlib");

/** How streams of one coding are ended after a part of them, at a place where their encoder has flushed. */
export interface CodedTail {
  /** What can be read of the part. @throws where it is not in this coding, or longer than `maxOutputLength` */
  readSoFar(part: Uint8Array, maxOutputLength: number): Uint8Array;
  /** Reads a whole stream. @throws where it is not whole */
  readWhole(stream: Uint8Array): Uint8Array;
  /** What ends the stream with `more`, behind a part that reads as `text`. */
  end(text: Uint8Array, more: Uint8Array): Uint8Array;
}

/** No more bytes can be added: what one block of each of these codings holds. */
export const MAX_MORE = 0xffff;

/** Undefined for a coding that we do not know, and for several one upon another. */
export function tailOf(encoding: string): CodedTail | undefined {
  const zlib = process.getBuiltinModule("node:zlib");
  switch (encoding.trim().toLowerCase()) {
    case "gzip":
    case "x-gzip":
      return gzip(zlib);
    case "deflate":
      return deflate(zlib);
    case "br":
      return brotli(zlib);
    case "zstd":
      return zlib.zstdDecompressSync === undefined ? undefined : zstd(zlib);
    default:
      return undefined;
  }
}

/** RFC 1952: after the last block the checksum and the length of the whole text. */
function gzip(zlib: Zlib): CodedTail {
  const finishFlush = zlib.constants.Z_SYNC_FLUSH;
  return {
    readSoFar: (part, maxOutputLength) => zlib.gunzipSync(part, { finishFlush, maxOutputLength }),
    readWhole: (stream) => zlib.gunzipSync(stream),
    end(text, more) {
      const trailer = Buffer.alloc(8);
      trailer.writeUInt32LE(zlib.crc32(more, zlib.crc32(text)), 0);
      trailer.writeUInt32LE((text.length + more.length) % 2 ** 32, 4);
      return Buffer.concat([storedBlock(more), trailer]);
    },
  };
}

/** RFC 1950. */
function deflate(zlib: Zlib): CodedTail {
  const finishFlush = zlib.constants.Z_SYNC_FLUSH;
  return {
    readSoFar: (part, maxOutputLength) => zlib.inflateSync(part, { finishFlush, maxOutputLength }),
    readWhole: (stream) => zlib.inflateSync(stream),
    end(text, more) {
      const trailer = Buffer.alloc(4);
      trailer.writeUInt32BE(adler32(text, more), 0);
      return Buffer.concat([storedBlock(more), trailer]);
    },
  };
}

/** RFC 1951, 3.2.4: the last block, not compressed. */
function storedBlock(more: Uint8Array): Uint8Array {
  const head = Buffer.alloc(5);
  head[0] = 1;
  head.writeUInt16LE(more.length, 1);
  head.writeUInt16LE(~more.length & 0xffff, 3);
  return Buffer.concat([head, more]);
}

function adler32(...parts: readonly Uint8Array[]): number {
  let low = 1;
  let high = 0;
  for (const part of parts) {
    for (const byte of part) {
      low = (low + byte) % 65521;
      high = (high + low) % 65521;
    }
  }
  return high * 2 ** 16 + low;
}

/** RFC 7932, 9.2: a meta-block that is not compressed, its length less one in 16 bits, then an empty last one. */
function brotli(zlib: Zlib): CodedTail {
  const finishFlush = zlib.constants.BROTLI_OPERATION_FLUSH;
  return {
    readSoFar: (part, maxOutputLength) => zlib.brotliDecompressSync(part, { finishFlush, maxOutputLength }),
    readWhole: (stream) => zlib.brotliDecompressSync(stream),
    end: (_, more) => Buffer.concat([littleEndian3(((more.length - 1) << 3) | (1 << 19)), more, Buffer.of(3)]),
  };
}

/** RFC 8878, 3.1.1.2: a last block of raw bytes. A frame with a checksum cannot be ended so, and is then not whole. */
function zstd(zlib: Zlib): CodedTail {
  const finishFlush = zlib.constants.ZSTD_e_flush;
  return {
    readSoFar: (part, maxOutputLength) => zlib.zstdDecompressSync(part, { finishFlush, maxOutputLength }),
    readWhole: (stream) => zlib.zstdDecompressSync(stream),
    end: (_, more) => Buffer.concat([littleEndian3((more.length << 3) | 1), more]),
  };
}

function littleEndian3(value: number): Buffer {
  return Buffer.of(value & 0xff, (value >> 8) & 0xff, value >> 16);
}
