import { errorMonitor } from "node:events";
import type { Readable } from "node:stream";
import { type AbandonedCalls, endOf } from "../../call/abandoned-calls.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { createWholeBody } from "./whole-body.ts";

/** The body of a fetch such as `node-fetch`, whose responses hold a Node stream. */
export function isNodeBody(body: unknown): body is Readable {
  const { push, pipe } = body as Partial<Readable>;
  return typeof push === "function" && typeof pipe === "function";
}

/**
 * Watches a Node stream where bytes come into it: each way of reading takes them from there, a `clone()` of the response
 * too. Nothing is read, and no listener is added that would change how the stream flows or fails.
 */
export function watchNodeBody(body: Readable, call: OpenCall, abandoned: AbandonedCalls): void {
  const push = body.push.bind(body);
  const whole = createWholeBody(call);
  let over = false;

  const see = (chunk: unknown, encoding?: BufferEncoding): unknown => {
    if (typeof chunk !== "string" && !(chunk instanceof Uint8Array)) return chunk;
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
    const passed = call.stream ? call.chunk(bytes) : whole.add(bytes);
    return passed === bytes ? chunk : Buffer.from(passed.buffer, passed.byteOffset, passed.byteLength);
  };
  const finish = (): Uint8Array => {
    over = true;
    return whole.end();
  };

  // What came before us is still in the stream: it is taken out and put back as the caller is to get it.
  const early: unknown[] = [];
  for (let chunk = take(body); chunk !== null; chunk = take(body)) early.push(see(chunk));
  if (isEnded(body)) early.push(finish());
  for (const chunk of early.reverse()) if ((chunk as Uint8Array).length > 0) body.unshift(chunk);

  Object.defineProperty(body, "push", {
    configurable: true,
    writable: true,
    value: (chunk: unknown, encoding?: BufferEncoding): boolean => {
      if (chunk !== null) return push(see(chunk, encoding), typeof chunk === "string" ? encoding : undefined);
      const rest = over ? EMPTY : finish();
      if (rest.byteLength > 0) push(rest);
      return push(null);
    },
  });
  body.on(errorMonitor, (error: unknown) => call.settle(endOf(error, call)));
  body.on("close", () => call.settle({ type: "cancel" }));
  abandoned.watch(body, call);
}

const EMPTY = new Uint8Array(0);

function take(body: Readable): unknown {
  return body.readableLength > 0 ? body.read() : null;
}

/** The source has ended, though not all was read. Node shows it only in the state. */
function isEnded(body: Readable): boolean {
  return (body as { readonly _readableState?: { readonly ended?: boolean } })._readableState?.ended === true;
}
