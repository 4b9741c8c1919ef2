import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import type { CallMeter } from "../../call/call-meter.ts";
import { treatmentHeaders } from "../../call/treatment.ts";
import { readHeader } from "../../wire/headers.ts";
import { dropScopeHeaders, readScopeHeaders } from "../../wire/scope-headers.ts";
import { mayAskUsage, type Target } from "../../wire/target.ts";
import { watchAnswer } from "../bodies/answer.ts";
import { HeldRequest } from "../bodies/held-request.ts";
import { type Override, override } from "../bodies/override.ts";
import { UNDICI } from "../bypass/watch.ts";
import { answerInstead, followWaitingWrites } from "./stand-in.ts";

type Headers = Readonly<Record<string, unknown>>;
type Options = { readonly endStream?: boolean } | undefined;
type Method = (...args: unknown[]) => unknown;

/** `ClientHttp2Session.prototype.request`. */
export type Request = (
  this: ClientHttp2Session,
  headers?: Headers | readonly unknown[],
  options?: Options,
) => ClientHttp2Stream;

/** A session, with those of its internals that hold a request back. */
type Internals = Record<symbol, unknown>;

/** Meters what `original` requests, while `enabled`. */
export function createRequest(meter: CallMeter, original: Request, enabled: () => boolean): Request {
  const { request } = {
    request(this: ClientHttp2Session, headers: Parameters<Request>[0], options: Options): ClientHttp2Stream {
      const target = enabled() ? meter.faults.guard("request", () => targetOf(meter, this, headers)) : undefined;
      if (target === undefined) return original.call(this, headers, options);
      return hold(meter, target, this, original, headers, options);
    },
  };
  return request as Request;
}

/** Undefined for what is neither a model call nor has a price, and for what another transport of ours carries. */
function targetOf(meter: CallMeter, session: ClientHttp2Session, given: Parameters<Request>[0]): Target | undefined {
  const { classifier, inFlight } = meter;
  const headers = namesOf(given);
  const path = headers[":path"];
  if (typeof path !== "string" || !(classifier.maybe(path) || meter.hasPrices())) return undefined;
  const authority =
    headers[":authority"] ?? headers.host ?? (session as unknown as Internals)[keyOf(session, "authority")];
  const scheme = headers[":scheme"] ?? (session.encrypted === false ? "http" : "https");
  const method = String(headers[":method"] ?? "GET").toUpperCase();
  const target = meter.classify(method, `${scheme}://${authority}${path}`);
  if (target === undefined || inFlight.isInside(target.path) || inFlight.isMetered()) return undefined;
  return (session.socket as { readonly [UNDICI]?: true } | undefined)?.[UNDICI] ? undefined : target;
}

/** Headers as an object, also where they are given as a list. */
function namesOf(given: Parameters<Request>[0]): Headers {
  if (given === undefined || given === null) return {};
  if (!Array.isArray(given)) return given as Headers;
  const pairs = given.flatMap((name, at) => (at % 2 === 0 ? [[String(name).toLowerCase(), given[at + 1]]] : []));
  return Object.fromEntries(pairs) as Headers;
}

/** A symbol of Node's own by its description; none of the session's where Node has changed it. */
function keyOf(session: object, name: string): symbol {
  return Object.getOwnPropertySymbols(session).find(({ description }) => description === name) ?? NONE;
}

const NONE = Symbol("none");
const PENDING = "kPendingRequestCalls";

function hold(
  meter: CallMeter,
  target: Target,
  session: ClientHttp2Session,
  original: Request,
  given: Parameters<Request>[0],
  options: Options,
): ClientHttp2Stream {
  const { faults } = meter;
  const headers = namesOf(given);
  const said = faults.guard("request", () => readScopeHeaders(headers, target.tags));
  const sent =
    (said !== undefined && !Array.isArray(given) && faults.guard("request", () => dropScopeHeaders(headers))) || given;
  const { stream, send } = requestLater(session, () => original.call(session, sent as Headers, options));
  // Without it Node has refused the request, or sent it in a way that is not known to us.
  if (send === undefined) return stream;
  const writes = followWaitingWrites(stream);
  let waits = true;
  const held = new HeldRequest(
    meter,
    target,
    {
      headers: () => headers,
      header: (name) => headers[name],
      // The head is rendered already.
      changing: { address: String(headers[":path"] ?? ""), mayResize: false, mayMove: false },
      release(_added, changed) {
        waits = false;
        const isChanged = changed === undefined || writes.isWhole;
        writes.release(isChanged ? changed?.body : undefined);
        if (session.connecting) queue(session, send);
        else send();
        return isChanged;
      },
      refuse(refusal) {
        waits = false;
        writes.swallow();
        answerInstead(stream, refusal);
      },
    },
    { mayAsk: mayAskUsage(target) && isAskable(headers), said },
  );
  followWrites(stream, held);
  followEvents(meter, session, stream, held, () => waits);
  if (stream.writableEnded) {
    held.end(undefined, undefined);
    held.settleEnd();
  }
  return stream;
}

/** The head is rendered already: neither a length nor a coding that it says can be changed. */
function isAskable(headers: Headers): boolean {
  const coding = readHeader(headers, "accept-encoding");
  return readHeader(headers, "content-length") === undefined && (coding === undefined || coding === "identity");
}

/** Makes a stream as on a session that is still connecting: Node queues what begins it. Undefined where it did not. */
function requestLater(
  session: ClientHttp2Session,
  request: () => ClientHttp2Stream,
): { readonly stream: ClientHttp2Stream; readonly send: (() => void) | undefined } {
  const key = keyOf(session, PENDING);
  if (key === NONE) return { stream: request(), send: undefined };
  const internals = session as unknown as Internals;
  const queue = internals[key];
  const ours: (() => void)[] = [];
  internals[key] = ours;
  Object.defineProperty(session, "connecting", { configurable: true, get: () => true });
  try {
    return { stream: request(), send: ours[0] };
  } finally {
    Reflect.deleteProperty(session, "connecting");
    internals[key] = queue;
  }
}

/** Adds to what Node sends once a session is connected. */
function queue(session: ClientHttp2Session, send: () => void): void {
  const internals = session as unknown as Record<symbol, (() => void)[] | null>;
  const key = keyOf(session, PENDING);
  const queued = internals[key];
  if (queued) {
    queued.push(send);
    return;
  }
  internals[key] = [send];
  session.once("connect", () => {
    for (const one of internals[key] ?? []) one();
    internals[key] = null;
  });
}

function followWrites(stream: ClientHttp2Stream, held: HeldRequest): void {
  const { write, end } = stream as unknown as { readonly write: Method; readonly end: Method };
  const overrides: Override[] = [
    override(stream as never, "write", function (this: ClientHttp2Stream, chunk, encoding, callback): unknown {
      if (this.writableEnded || this.destroyed) return write.call(this, chunk, encoding, callback);
      const passed = write.call(this, held.write(chunk, encoding), encoding, callback);
      held.written(passed === false);
      return passed;
    } as Method),
    override(stream as never, "end", function (this: ClientHttp2Stream, chunk, encoding, callback): unknown {
      if (this.writableEnded || this.destroyed) return end.call(this, chunk, encoding, callback);
      const [last, coding, done] =
        typeof chunk === "function" ? [undefined, undefined, chunk] : [chunk, encoding, callback];
      try {
        return end.call(this, held.end(last, coding), coding, done);
      } finally {
        for (const one of overrides) one.undo();
        held.settleEnd();
      }
    } as Method),
  ];
}

/**
 * Sees the events of a stream where it emits them, so that no listener of ours shows.
 * @param waits Whether the request is neither sent nor refused yet.
 */
function followEvents(
  meter: CallMeter,
  session: ClientHttp2Session,
  stream: ClientHttp2Stream,
  held: HeldRequest,
  waits: () => boolean,
): void {
  const { emit, close, destroy } = stream as unknown as Record<"emit" | "close" | "destroy", Method>;
  /** Node itself closes the streams of a socket that is gone. */
  const isCut = (): boolean => session.socket === undefined || session.socket.destroyed;
  const overrides = [
    override(stream as never, "emit", function (this: ClientHttp2Stream, name: unknown, ...args: unknown[]): unknown {
      meter.faults.guard("body", () => see(String(name), args[0]));
      return emit.call(this, name, ...args);
    } as Method),
    override(stream as never, "close", function (this: ClientHttp2Stream, ...args: unknown[]): unknown {
      if (!this.closed) held.fail({ type: !this.pending && isCut() ? "error" : "cancel" }, !this.writableFinished);
      const result = close.apply(this, args);
      // Node closes a stream once it has been opened, and this one will not be.
      if (waits()) this.destroy();
      return result;
    } as Method),
    override(stream as never, "destroy", function (this: ClientHttp2Stream, error): unknown {
      // Node itself destroys a stream once it is closed, or with an error.
      if (!this.closed)
        held.fail({ type: error === undefined || isAbort(error) ? "cancel" : "error" }, !this.writableFinished);
      return destroy.call(this, error);
    } as Method),
  ];

  function see(name: string, value: unknown): void {
    if (name === "response") seeAnswer(meter, stream, held, value as Headers);
    else if (name === "pipe") held.begin();
    else if (name === "close") {
      for (const one of overrides) one.undo();
      if (held.call?.status === undefined) held.fail({ type: "error" });
    }
  }
}

function isAbort(error: unknown): boolean {
  const name = (error as Error | null)?.name;
  return error === null || name === "AbortError" || name === "TimeoutError";
}

function seeAnswer(meter: CallMeter, stream: ClientHttp2Stream, held: HeldRequest, headers: Headers): void {
  const call = held.answered();
  if (call === undefined || call.settled) return;
  watchAnswer(meter, call, {
    status: Number(headers[":status"]),
    headers: { get: (name) => textOf(headers[name]) },
    body: stream,
    endOf: () => ({ type: "error" }),
    stop: (error) => stopStream(stream, error),
  });
  const said = treatmentHeaders(call);
  if (said !== undefined) Object.assign(headers, said);
}

const CANCEL = 8;

/** Resets the stream: once its reader has read the rest of it, because Node drops what is unread at a reset. */
function stopStream(stream: ClientHttp2Stream, error: Error | undefined): void {
  if (error !== undefined && stream.listenerCount("error") > 0) stream.destroy(error);
  else if (error !== undefined || stream.readableEnded) stream.close(CANCEL);
  else stream.once("end", () => stream.close(CANCEL));
}

const textOf = (value: unknown): string | undefined =>
  value === undefined ? undefined : Array.isArray(value) ? value.join(", ") : String(value);
