import type { IncomingMessage } from "node:http";
import { gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { readBody } from "../http/body.ts";

/** What a body must not pass, in bytes. */
export interface PackedLimits {
  readonly sent: number;
  readonly unpacked: number;
}

/** A body that is not taken, and with which status. */
export class BodyFault extends Error {
  readonly status: 400 | 408 | 413;

  constructor(status: BodyFault["status"], message: string) {
    super(message);
    this.name = "BodyFault";
    this.status = status;
  }
}

const MAX_MS = 30_000;

/** Reads and unpacks a request's body. @throws BodyFault when it is too large, too slow, or packed in an unknown way. */
export async function readUnpacked(request: IncomingMessage, { sent, unpacked }: PackedLimits): Promise<Uint8Array> {
  const body = await readBody(request, { maxBytes: sent, maxMs: MAX_MS });
  if (body.type === "refused") throw new BodyFault(body.status, body.why);
  const bytes = unpack(body.bytes, request.headers["content-encoding"] ?? "identity", unpacked);
  if (bytes.length > unpacked) throw new BodyFault(413, `the body unpacks to more than ${unpacked} bytes`);
  return bytes;
}

function unpack(bytes: Buffer, encoding: string, maxOutputLength: number): Uint8Array {
  try {
    switch (encoding) {
      case "identity":
        return bytes;
      case "gzip":
        return gunzipSync(bytes, { maxOutputLength });
      case "deflate":
        return inflateSync(bytes, { maxOutputLength });
      case "zstd":
      case "zstd1":
        return zstdDecompressSync(bytes, { maxOutputLength });
    }
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE")
      throw new BodyFault(413, `the body unpacks to more than ${maxOutputLength} bytes`);
    throw new BodyFault(400, `the body is not ${encoding}`);
  }
  throw new BodyFault(400, `the encoding ${encoding} is not known`);
}

/** @throws BodyFault */
export function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
  } catch {
    throw new BodyFault(400, "the body is not JSON");
  }
}
