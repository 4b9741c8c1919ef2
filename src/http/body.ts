import type { IncomingMessage } from "node:http";
import { setTimeout } from "node:timers";

/** A body, or the status that refuses it: 408 when it took too long, 413 when it was too large. */
export type Body =
  | { readonly type: "body"; readonly bytes: Buffer }
  | { readonly type: "refused"; readonly status: 408 | 413; readonly why: string };

export interface BodyLimits {
  readonly maxBytes: number;
  readonly maxMs: number;
}

/**
 * Reads a body within limits. What is over the limit is dropped as it comes, for as long as a body may take: a sender
 * that is cut off while it sends does not see the answer. Rejects when the sender goes away.
 */
export function readBody(request: IncomingMessage, { maxBytes, maxMs }: BodyLimits): Promise<Body> {
  const { promise, resolve, reject } = Promise.withResolvers<Body>();
  const chunks: Buffer[] = [];
  let size = 0;
  const tooLarge = (): Body => ({ type: "refused", status: 413, why: `the body is larger than ${maxBytes} bytes` });
  const tooLate = (): Body => ({ type: "refused", status: 408, why: `the body took longer than ${maxMs} ms` });
  const timer = setTimeout(() => resolve(size > maxBytes ? tooLarge() : tooLate()), maxMs);
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxBytes) chunks.push(chunk);
    else chunks.length = 0;
  });
  request.on("end", () => resolve(size > maxBytes ? tooLarge() : { type: "body", bytes: Buffer.concat(chunks) }));
  request.on("error", reject);
  request.on("close", () => reject(new Error("the sender went away")));
  return promise.finally(() => clearTimeout(timer));
}
