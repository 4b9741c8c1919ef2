import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";

/** Longer bodies are sent on as they come. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * The body of a request: JSON as bytes, so that it can be read and checked before anything is sent; all else, and what
 * is very long, as a stream. Undefined without one. Rejects when the client goes away.
 */
export async function readRequestBody(request: IncomingMessage): Promise<Buffer | Readable | undefined> {
  const { "content-length": length, "transfer-encoding": coding, "content-type": type = "" } = request.headers;
  if (coding === undefined && (length === undefined || Number(length) === 0)) return undefined;
  if (!type.includes("json") || Number(length ?? 0) > MAX_BYTES) return request;
  const chunks: Buffer[] = [];
  const whole = await collect(request, chunks);
  return whole ? Buffer.concat(chunks) : Readable.from(continued(chunks, request), { objectMode: false });
}

/** Collects chunks up to the limit. False when more follows. */
function collect(request: IncomingMessage, chunks: Buffer[]): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  let size = 0;
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    size += chunk.length;
    if (size <= MAX_BYTES) return;
    request.pause();
    request.off("data", onData);
    resolve(false);
  };
  request.on("data", onData);
  request.once("end", () => resolve(true));
  request.once("error", reject);
  request.once("close", () => reject(new Error("the client went away")));
  return promise;
}

async function* continued(chunks: readonly Buffer[], rest: IncomingMessage): AsyncGenerator<Buffer> {
  yield* chunks;
  yield* rest as AsyncIterable<Buffer>;
}
