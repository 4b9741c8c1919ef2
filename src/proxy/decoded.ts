import { pipeline, type Readable, type Transform } from "node:stream";
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";

const FLUSHED = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };

/** A decoder that gives out what it can at once, by the name of the coding. */
const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => createGunzip(FLUSHED),
  "x-gzip": () => createGunzip(FLUSHED),
  deflate: () => createInflate(FLUSHED),
  br: () => createBrotliDecompress({ flush: constants.BROTLI_OPERATION_FLUSH }),
  zstd: () => createZstdDecompress(),
};

/** The bytes of a coded answer, from a server that codes without being asked; undefined where they are to be passed on. */
export function createDecoded(body: Readable, encoding: string): Readable | undefined {
  const create = DECODERS[encoding.trim().toLowerCase()];
  // An error reaches the reader of the last stream.
  return create === undefined ? undefined : pipeline(body, create(), () => {});
}
