import { errorMonitor } from "node:events";
import type { Readable } from "node:stream";
import type { SettleEvent } from "../../../core/call.ts";
import { type AbandonedCalls, endOf } from "../../call/abandoned-calls.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { type CodedPast, keepPast } from "./coded-past.ts";
import { createDecoder, type Decoder } from "./decoder.ts";
import { createWholeBody, type WholeBody } from "./whole-body.ts";

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
  /**
   * Tells the vendor to stop, once the reader's stream is to end, or with this error to fail; what it has not read stays
   * readable. Absent where destroying the stream at its end does that.
   */
  readonly stop?: ((error: Error | undefined) => void) | undefined;
}

/** Reads the bytes for a call, and returns those for the caller. */
interface Observer {
  see(bytes: Uint8Array): Uint8Array;
  /** The body has ended. */
  finish(): Uint8Array;
  /** The body broke off. */
  cut(event: SettleEvent): void;
  /** With what the reader's stream is to fail, where it was cut and could not be ended. */
  readonly error: Error | undefined;
}

/**
 * Watches a Node stream where bytes come into it: each way of reading takes them from there, a `clone()` of the response
 * too. Nothing is read, and no listener is added that would change how the stream flows or fails.
 */
export function watchNodeBody(
  body: Readable,
  call: OpenCall,
  abandoned: AbandonedCalls,
  { encoding = "", endOf: endBy = (error) => endOf(error, call), stop = stopAtEnd(body) }: NodeBodyOptions = {},
): void {
  const push = body.push.bind(body);
  const observer = createObserver(call, encoding);
  const settlesLate = READ_AT_ONCE in body && !call.stream;
  let over = false;
  let stopped = false;
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
      if (stopped) return false;
      if (chunk !== null) {
        const passed = see(chunk, encoding);
        if (!call.isCut) return push(passed, typeof chunk === "string" ? encoding : undefined);
        stopped = true;
        if ((passed as Uint8Array).length > 0) push(passed);
        if (observer.error === undefined) push(null);
        over = true;
        observer.cut({ type: "cancel" });
        stop(observer.error);
        return false;
      }
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

function stopAtEnd(body: Readable): (error: Error | undefined) => void {
  return (error) => {
    if (error === undefined && !body.readableEnded) body.once("end", () => body.destroy());
    else body.destroy(error);
  };
}

function createObserver(call: OpenCall, encoding: string): Observer {
  const whole = createWholeBody(call);
  const read: CodedReading = { cutBy: undefined, error: undefined };
  const decoder = createDecoder(encoding, {
    chunk: (bytes) => void (call.stream ? call.chunk(bytes) : whole.add(bytes)),
    end: () => void (read.cutBy === undefined ? whole.end() : call.breakOff(read.cutBy)),
  });
  if (decoder === undefined) return observePlain(call, whole);
  call.coded = true;
  if (decoder === null) call.settle({ type: "collect", unseen: true });
  else call.catchUp = decoder.catchUp;
  return observeCoded(call, decoder, keepPast(call, encoding), read);
}

function observePlain(call: OpenCall, whole: WholeBody): Observer {
  return {
    error: undefined,
    see: (bytes) => (call.stream ? call.chunk(bytes) : whole.add(bytes)),
    finish: () => whole.end(),
    cut: (event) => call.settle(event),
  };
}

/** What a decoder, which reads behind the stream, does at the end. */
interface CodedReading {
  cutBy: SettleEvent | undefined;
  error: Error | undefined;
}

/** The caller gets the bytes as they come. */
function observeCoded(
  call: OpenCall,
  decoder: Decoder | null,
  past: CodedPast | undefined,
  read: CodedReading,
): Observer {
  return {
    get error() {
      return read.error;
    },
    see(bytes) {
      const ending = past?.next(bytes);
      if (ending !== undefined) {
        call.cutBy = "done";
        read.error = ending.type === "error" ? ending.error : undefined;
        return ending.type === "tail" ? ending.bytes : EMPTY;
      }
      // A copy: the caller may change the memory before it is decoded.
      if (!call.settled) decoder?.add(new Uint8Array(bytes));
      return bytes;
    },
    finish() {
      decoder?.end();
      return EMPTY;
    },
    cut(event) {
      read.cutBy = event;
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
