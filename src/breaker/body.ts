import type { IncomingMessage } from "node:http";
import { setTimeout } from "node:timers";

/** A body, or the status that refuses it. */
export type Body =
  | { readonly type: "body"; readonly text: string }
  | { readonly type: "refused"; readonly status: 408 | 413 };

/** Reads a body of at most that many bytes, in at most that many milliseconds. Rejects when the sender goes away. */
export function readBody(request: IncomingMessage, maxBytes: number, maxMs: number): Promise<Body> {
  const { promise, resolve, reject } = Promise.withResolvers<Body>();
  const chunks: Buffer[] = [];
  let size = 0;
  if (Number(request.headers["content-length"] ?? 0) > maxBytes)
    return Promise.resolve({ type: "refused", status: 413 });
  const timer = setTimeout(() => resolve({ type: "refused", status: 408 }), maxMs);
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxBytes) resolve({ type: "refused", status: 413 });
    else chunks.push(chunk);
  });
  request.on("end", () => resolve({ type: "body", text: Buffer.concat(chunks).toString("utf8") }));
  request.on("error", reject);
  request.on("close", () => reject(new Error("the sender went away")));
  return promise.finally(() => clearTimeout(timer));
}
