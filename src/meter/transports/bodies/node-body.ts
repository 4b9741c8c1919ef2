import { errorMonitor } from "node:events";
import type { Readable } from "node:stream";
import type { SettleEvent } from "../../../core/call.ts";
import { type AbandonedCalls, endOf } from "../../call/abandoned-calls.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { createDecoder } from "./decoder.ts";
import { createWholeBody } from "./whole-body.ts";

/** The body of a fetch such as `node-fetch`, whose responses hold a Node stream. */
export function isNodeBody(body: unknown): body is Readable {
  const { push, pipe } = body as Partial<Readable>;
  return typeof push === "function" && typeof pipe === "function";
}

/**
 * Marks a stream that is read as it comes, as by our proxy: the call of a body that is no event stream then settles after
 * its last bytes have been passed on, which need not wait for that.
 */
export const READ_AT_ONCE: unique symbol = Symbol("spendfuse.readAtOnce");

/** What a transport knows of its streams. */
export interface NodeBodyOptions {
  /** The `content-encoding` of the bytes; absent where the stream gives them decoded. */
  readonly encoding?: string | undefined;
  /** What an error of the stream, or its close before its end, means. */
  readonly endOf?: (error: unknown) => SettleEvent;
}

/** Reads the bytes for a call, and returns those for the caller. */
interface Observer {
  see(bytes: Uint8Array): Uint8Array;
  /** The body has ended. */
  finish(): Uint8Array;
  /** The body broke off. */
  cut(event: SettleEvent): void;
}

/**
 * Watches a Node stream where bytes come into it: each way of reading takes them from there, a `clone()` of the response
 * too. Nothing is read, and no listener is added that would change how the stream flows or fails.
 */
export function watchNodeBody(
  body: Readable,
  call: OpenCall,
  abandoned: AbandonedCalls,
  { encoding = "", endOf: endBy = (error) => endOf(error, call) }: NodeBodyOptions = {},
): void {
  const push = body.push.bind(body);
  const observer = createObserver(call, encoding);
  const settlesLate = READ_AT_ONCE in body && !call.stream;
  let over = false;
  /** All bytes are there, and the call settles in this turn of the event loop. */
  let complete = false;

  const see = (chunk: unknown, encoding?: BufferEncoding): unknown => {
    if (typeof chunk !== "string" && !(chunk instanceof Uint8Array)) return chunk;
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
    const passed = observer.see(bytes);
    return passed === bytes ? chunk : Buffer.from(passed.buffer, passed.byteOffset, passed.byteLength);
  };
  const finish = (): Uint8Array => {
    over = true;
    return observer.finish();
  };
  const end = (): Uint8Array => {
    if (!settlesLate) return finish();
    complete = true;
    // No later, so that a slow reader does not keep a call open that is over.
    setImmediate(() => over || finish());
    return EMPTY;
  };
  const cut = (event: SettleEvent): void => {
    if (over) return;
    if (complete) return void finish();
    over = true;
    observer.cut(event);
  };

  // What came before us is still in the stream: it is taken out and put back as the caller is to get it.
  const early: unknown[] = [];
  for (let chunk = take(body); chunk !== null; chunk = take(body)) early.push(see(chunk));
  if (isEnded(body)) early.push(end());
  for (const chunk of early.reverse()) if ((chunk as Uint8Array).length > 0) body.unshift(chunk);

  Object.defineProperty(body, "push", {
    configurable: true,
    writable: true,
    value: (chunk: unknown, encoding?: BufferEncoding): boolean => {
      if (chunk !== null) return push(see(chunk, encoding), typeof chunk === "string" ? encoding : undefined);
      // A stream that is destroyed is ended as well.
      const rest = over || body.destroyed ? EMPTY : end();
      if (rest.byteLength > 0) push(rest);
      return push(null);
    },
  });
  body.on(errorMonitor, (error: unknown) => cut(endBy(error)));
  body.on("close", () => cut(body.errored ? endBy(body.errored) : { type: "cancel" }));
  abandoned.watch(body, call);
}

const EMPTY = new Uint8Array(0);

function createObserver(call: OpenCall, encoding: string): Observer {
  const whole = createWholeBody(call);
  let cutBy: SettleEvent | undefined;
  const decoder = createDecoder(encoding, {
    chunk: (bytes) => void (call.stream ? call.chunk(bytes) : whole.add(bytes)),
    end: () => void (cutBy === undefined ? whole.end() : call.breakOff(cutBy)),
  });
  if (decoder === undefined) {
    return {
      see: (bytes) => (call.stream ? call.chunk(bytes) : whole.add(bytes)),
      finish: () => whole.end(),
      cut: (event) => call.settle(event),
    };
  }
  // The caller gets the bytes as they come, so that no event of ours can end them.
  call.cuttable = false;
  if (decoder === null) call.settle({ type: "collect", unseen: true });
  return {
    see(bytes) {
      // A copy: the caller may change the memory before it is decoded.
      if (!call.settled) decoder?.add(new Uint8Array(bytes));
      return bytes;
    },
    finish() {
      decoder?.end();
      return EMPTY;
    },
    cut(event) {
      cutBy = event;
      if (decoder === null || call.settled) call.settle(event);
      else decoder.cut();
    },
  };
}

function take(body: Readable): unknown {
  return body.readableLength > 0 ? body.read() : null;
}

/** The source has ended, though not all was read. Node shows it only in the state. */
function isEnded(body: Readable): boolean {
  return (body as { readonly _readableState?: { readonly ended?: boolean } })._readableState?.ended === true;
}
