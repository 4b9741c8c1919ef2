import type { Passage } from "../../../limits/gate.ts";
import type { Refusal } from "../../../limits/refusal.ts";
import { endOf } from "../../call/abandoned-calls.ts";
import type { CallMeter } from "../../call/call-meter.ts";
import { admit } from "../../call/checkpoint.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { PREFIX } from "../../propagation/baggage.ts";
import { withoutBaggage } from "../../tracing/otel-global.ts";
import { readScopeHeaders } from "../../wire/scope-headers.ts";
import { type Target, withoutSlashes } from "../../wire/target.ts";
import { ChangedBody } from "../bodies/changed-body.ts";
import { Answer } from "./answer.ts";
import { changeable, changedOptions } from "./changed-request.ts";
import { HOOKED } from "./copies.ts";
import { type Dispatch, type Dispatcher, type DispatchOptions, type Handler, isHandler } from "./dispatcher.ts";
import { isReadOnce, readable, withoutScope } from "./headers.ts";
import { startHeld } from "./held-handler.ts";
import { refuse } from "./refused-request.ts";
import { type Outgoing, readOutgoing } from "./request.ts";
import { isNodeStream } from "./request-body.ts";
import { watchHandler } from "./watched-handler.ts";

/** In the options of a request that was looked at: an agent hands it on to a pool, and that to a client. */
const SEEN = Symbol("spendfuse.seen");

/** A request at the dispatcher to which its caller gave it. */
interface Sending {
  readonly meter: CallMeter;
  readonly inner: Dispatch;
  readonly self: Dispatcher;
  readonly target: Target;
  readonly handler: Handler;
}

/** A `dispatch` that meters what `inner` carries, while `enabled`. */
export function wrapDispatch(meter: CallMeter, inner: Dispatch, enabled: () => boolean): Dispatch {
  const { dispatch } = {
    dispatch(this: Dispatcher, options: DispatchOptions, handler: Handler): boolean {
      const target = findTarget(meter, this, options, enabled);
      if (target === undefined || !isHandler(handler)) return inner.call(this, options, handler);
      return dispatchMetered({ meter, inner, self: this, target, handler }, options);
    },
  };
  const mark = Object.create(Function.prototype, { [HOOKED]: { value: inner } }) as object;
  return Object.setPrototypeOf(dispatch, mark) as Dispatch;
}

/** The model or priced API that a request is for, unless it is looked at elsewhere. Never throws. */
function findTarget(
  meter: CallMeter,
  self: Dispatcher,
  options: DispatchOptions,
  enabled: () => boolean,
): Target | undefined {
  const { inFlight, faults } = meter;
  try {
    if (typeof options !== "object" || options === null || SEEN in options) return undefined;
    const { path, method, upgrade } = options;
    if (typeof path !== "string" || typeof method !== "string" || upgrade || method === "CONNECT") return undefined;
    const address = path.startsWith("/") ? originOf(self, options) + path : path;
    if (!meter.maybe(address) || !enabled()) return undefined;
    const target = meter.classify(method === "POST" ? method : method.toUpperCase(), address);
    if (target === undefined) return undefined;
    // Of a fetch that is metered, its redirects too, whose paths are others.
    return inFlight.isInside(target.path) || inFlight.isMetered() ? undefined : target;
  } catch (error) {
    faults.report("request", error);
    return undefined;
  }
}

/** Of the request, or of a client or pool that has one origin only. */
function originOf(self: Dispatcher, { origin }: DispatchOptions): string {
  if (typeof origin === "string") return origin.endsWith("/") ? origin.slice(0, -1) : origin;
  if (origin !== undefined && origin !== null) return origin.origin;
  const symbol = Object.getOwnPropertySymbols(self).find(({ description }) => description === "url");
  const own = symbol && (self as unknown as Record<symbol, unknown>)[symbol];
  return own instanceof URL ? own.origin : "";
}

function dispatchMetered(sending: Sending, given: DispatchOptions): boolean {
  const { meter, inner, self, target, handler } = sending;
  let options = given;
  let outgoing: Outgoing | undefined;
  let call: OpenCall | undefined;
  try {
    options = ownOptions(given);
    outgoing = readOutgoing(target, options, meter.faults);
    if (outgoing.facts !== undefined || target.host !== undefined) {
      call = begin(meter, target, outgoing);
      const refused = call === undefined ? meter.unchecked(target) : undefined;
      if (refused !== undefined) return answerRefused(sending, refused, options.body);
    }
  } catch (error) {
    meter.faults.report("request", error);
    const refused = meter.unchecked(target);
    if (refused !== undefined) return answerRefused(sending, refused, given.body);
    return inner.call(self, options, handler);
  }
  if (call !== undefined) return hold(sending, call, outgoing);
  if (outgoing.facts instanceof Promise) outgoing.facts.catch(() => {});
  // The caller's body is sent without our question where there is no call.
  return outgoing.later === undefined
    ? send(sending, undefined, { ...outgoing, options })
    : later(sending, undefined, outgoing, undefined);
}

/** A copy of the caller's options with our mark, which can be read again. */
function ownOptions(given: DispatchOptions): DispatchOptions {
  const options: DispatchOptions & { readonly [SEEN]: true } = { ...given, [SEEN]: true };
  const { headers } = options;
  return isReadOnce(headers) ? { ...options, headers: [...headers].flat() } : options;
}

function begin(meter: CallMeter, target: Target, { facts, asked, sends, options }: Outgoing): OpenCall | undefined {
  const { signal } = options;
  const headers = readable(options.headers);
  return meter.begin(target, {
    facts,
    asked,
    headers,
    said: meter.faults.guard("request", () => readScopeHeaders(headers, target.tags)),
    signal: signal instanceof AbortSignal ? signal : undefined,
    ...(sends && { sends }),
  });
}

/** Sends a call once it may leave: at once where that is known. */
function hold(sending: Sending, call: OpenCall, outgoing: Outgoing): boolean {
  const { faults } = sending.meter;
  const { gate } = call.services;
  if (gate?.changes === true) call.changeable = changeable(call, outgoing);
  const gone = gate?.waits === true && call.signal === undefined ? new AbortController() : undefined;
  if (gone !== undefined) call.signal = gone.signal;
  const asked = admit(call, outgoing.options.body, faults);
  if (gone !== undefined && asked instanceof Promise) faults.guard("request", () => startHeld(sending.handler, gone));
  if (asked instanceof Promise || outgoing.later !== undefined) return later(sending, call, outgoing, asked);
  return decide(sending, call, outgoing, asked);
}

function decide(sending: Sending, call: OpenCall, outgoing: Outgoing, passage: Passage | undefined): boolean {
  if (passage?.pass === false) {
    call.settle({ type: "block" });
    return answerRefused(sending, passage.refusal(), outgoing.options.body);
  }
  call.ticket = passage?.ticket;
  return send(sending, call, changed(call, outgoing));
}

function changed({ changeable: changes }: OpenCall, outgoing: Outgoing): Outgoing {
  if (!(changes instanceof ChangedBody) || changes.sent === undefined) return outgoing;
  return { ...outgoing, options: changedOptions(outgoing.options, changes) };
}

/** As of a request that waits for a connection, the dispatcher has taken it. */
function later(
  sending: Sending,
  call: OpenCall | undefined,
  outgoing: Outgoing,
  asked: Passage | undefined | Promise<Passage | undefined>,
): true {
  const { meter, handler } = sending;
  const guarded = guardBody(outgoing.options.body);
  const go = async (): Promise<void> => {
    const [passage, read = outgoing] = await Promise.all([asked, outgoing.later]);
    const failed = guarded();
    if (failed !== undefined) {
      call?.settle(endOf(failed.error, call));
      fail(handler, failed.error);
      return;
    }
    if (call === undefined) {
      send(sending, undefined, read);
      return;
    }
    if (read.asked) call.hides = true;
    decide(sending, call, read, passage);
  };
  go().catch((error: unknown) => {
    // What the dispatcher itself throws at a handler it does not take.
    call?.settle({ type: "error" });
    meter.faults.guard("request", () => fail(handler, error));
  });
  return true;
}

/** Keeps an error of a stream that is not being sent yet; the function returned ends that, and gives the error. */
function guardBody(body: unknown): () => { readonly error: unknown } | undefined {
  if (!isNodeStream(body)) return () => undefined;
  let failed: { readonly error: unknown } | undefined;
  const keep = (error: unknown): void => {
    failed = { error };
  };
  body.on("error", keep);
  return () => {
    body.off("error", keep);
    return failed;
  };
}

function fail(handler: Handler, error: unknown): void {
  if ("onRequestStart" in handler) handler.onResponseError?.(null, error);
  else handler.onError(error);
}

function answerRefused({ handler }: Sending, refusal: Refusal, body: unknown): true {
  refuse(handler, refusal, body);
  return true;
}

/** Sends a request; `call` is undefined for one that only has the path of a model call. */
function send(sending: Sending, call: OpenCall | undefined, { options, passing }: Outgoing): boolean {
  const { meter, target, handler } = sending;
  if (call?.signal?.aborted) call.givenUp = "held";
  const moved = call?.changeable?.changes !== undefined && options.path !== undefined;
  const path = moved ? withoutSlashes((options.path as string).replace(/[?#].*$/s, "")) : target.path;
  const request = meter.inFlight.begin(moved ? { ...target, path } : target, call !== undefined);
  const answer = new Answer(meter, call, request, passing);
  const sent = call === undefined ? options : withoutOurs(meter, options);
  try {
    return meter.inFlight.run(request, carry, sending, call, sent, watchHandler(handler, answer));
  } catch (error) {
    answer.fail(error);
    throw error;
  }
}

/** Sends a request, without our entries in the baggage that the user's propagators write. */
function carry(
  { inner, self }: Sending,
  call: OpenCall | undefined,
  options: DispatchOptions,
  handler: Handler,
): boolean {
  if (call?.hasBaggage !== true) return inner.call(self, options, handler);
  return withoutBaggage(PREFIX, () => inner.call(self, options, handler));
}

function withoutOurs({ faults }: CallMeter, options: DispatchOptions): DispatchOptions {
  try {
    const headers = readable(options.headers);
    return readScopeHeaders(headers) === undefined ? options : { ...options, headers: withoutScope(headers as object) };
  } catch (error) {
    faults.report("request", error);
    return options;
  }
}
