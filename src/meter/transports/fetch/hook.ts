import type { Refusal } from "../../../limits/refusal.ts";
import { endOf } from "../../call/abandoned-calls.ts";
import type { CallMeter } from "../../call/call-meter.ts";
import { admit, isFinal } from "../../call/checkpoint.ts";
import type { OpenCall } from "../../call/open-call.ts";
import { PREFIX } from "../../propagation/baggage.ts";
import { withoutBaggage } from "../../tracing/otel-global.ts";
import type { Target } from "../../wire/target.ts";
import { isEventStream } from "../bodies/event-stream.ts";
import { isNodeBody, watchNodeBody } from "../bodies/node-body.ts";
import { type Begun, beginRequest } from "./begun-request.ts";
import { changeable, changedRequest, showTreatment } from "./changed-request.ts";
import { forbidRetry, mayBeCap, readError } from "./error-answer.ts";
import {
  addressOf,
  type FetchInit,
  type FetchInput,
  headersOf,
  isForTestedSdk,
  isRequest,
  methodOf,
} from "./request.ts";
import { watchResponse } from "./response.ts";
import { evaluatedOnce, inputOnce, isBroken } from "./single-evaluation.ts";

type Fetch = typeof fetch;

/** Marks our fetch, also that of another copy of the package. */
export const HOOKED = Symbol.for("spendfuse.fetch");

/** A fetch that meters what `inner` carries, while `enabled`. A fetch that is metered already is returned as it is. */
export function wrapFetch(meter: CallMeter, inner: Fetch, enabled: () => boolean = always): Fetch {
  if (HOOKED in inner) return inner;
  const { fetch } = {
    fetch(this: unknown, ...args: Parameters<Fetch>): Promise<Response> {
      if (!enabled() || (args as readonly unknown[]).length === 0) return inner.apply(this as never, args);
      return fetchMetered(meter, args.length > 2 ? withMore(inner, args) : inner, this, args[0], args[1]);
    },
  };
  return likeFunction(fetch as Fetch, inner);
}

/** A fetch that is given the arguments after its first two as well. */
function withMore(inner: Fetch, [, , ...more]: readonly unknown[]): Fetch {
  return function (this: unknown, input, init) {
    return Reflect.apply(inner, this, [input, init, ...more]) as Promise<Response>;
  };
}

function always(): boolean {
  return true;
}

/** `ours` with all that can be seen of `theirs`. The mark is on a prototype in between, where no listing shows it. */
function likeFunction(ours: Fetch, theirs: Fetch): Fetch {
  for (const name of Reflect.ownKeys(ours)) {
    if (Object.getOwnPropertyDescriptor(theirs, name) === undefined) Reflect.deleteProperty(ours, name);
  }
  for (const name of Reflect.ownKeys(theirs)) {
    const descriptor = Object.getOwnPropertyDescriptor(theirs, name) as PropertyDescriptor;
    Reflect.defineProperty(ours, name, descriptor);
  }
  const mark = Object.create(Object.getPrototypeOf(theirs) as object, {
    [HOOKED]: { value: theirs, configurable: true },
  });
  return Object.setPrototypeOf(ours, mark) as Fetch;
}

function fetchMetered(
  meter: CallMeter,
  inner: Fetch,
  self: unknown,
  given: FetchInput,
  givenInit: FetchInit,
): Promise<Response> {
  let input = given;
  let init = givenInit;
  let target: Target | undefined;
  let begun: Begun | undefined;
  try {
    if (typeof input !== "string") input = inputOnce(input);
    init = evaluatedOnce(init);
    if (init !== givenInit && isBroken(init as object)) return inner.call(self as never, input, init);
    const address = typeof input === "string" ? input : addressOf(input);
    if (address !== undefined && meter.maybe(address)) {
      target = meter.classify(init?.method === "POST" ? "POST" : methodOf(input, init), address);
    }
    if (target !== undefined) {
      if (meter.inFlight.isInside(target.path)) return inner.call(self as never, input, init);
      begun = beginRequest(meter, target, input, init);
    }
  } catch (error) {
    meter.faults.report("request", error);
    const refused = target && meter.unchecked(target);
    if (refused !== undefined) return Promise.resolve(answerOf(refused));
  }
  if (target === undefined) return pass(meter, inner, self, input, init);
  if (begun === undefined) return passUnmetered(meter, target, inner, self, input, init);
  if (begun.call === undefined) {
    const refused = meter.unchecked(target);
    if (refused !== undefined) return Promise.resolve(answerOf(refused));
    return inner.call(self as never, begun.input, begun.init);
  }
  return send(meter, inner, self, begun.call, begun);
}

function answerOf({ body, ...init }: Refusal): Response {
  return new Response(body, init);
}

/** Sends a request that is no model call. */
function pass(meter: CallMeter, inner: Fetch, self: unknown, input: FetchInput, init: FetchInit): Promise<Response> {
  const escort = meter.faults.guard("identity", () =>
    meter.escort(headersOf(input, init), () => (isRequest(input) ? input.url : String(input))),
  );
  if (escort === undefined) return inner.call(self as never, input, init);
  const escorted = escort.headers === undefined ? init : { ...init, headers: escort.headers };
  return escort.run(() => inner.call(self as never, input, escorted));
}

/** Sends a request that only has the path of a model call; the bypass watch must not count it. */
function passUnmetered(
  meter: CallMeter,
  target: Target,
  inner: Fetch,
  self: unknown,
  input: FetchInput,
  init: FetchInit,
): Promise<Response> {
  const { inFlight } = meter;
  const request = inFlight.begin(target, false);
  const end = (): void => inFlight.end(request);
  try {
    const answer = inFlight.run(request, pass, meter, inner, self, input, init);
    Promise.resolve(answer).then(end, end);
    return answer;
  } catch (error) {
    end();
    throw error;
  }
}

async function send(meter: CallMeter, inner: Fetch, self: unknown, call: OpenCall, begun: Begun): Promise<Response> {
  const { faults, inFlight } = meter;
  let { input, init } = begun;
  const changes = call.services.gate?.changes === true ? changeable(call, begun) : undefined;
  call.changeable = changes;
  const asked = admit(call, init?.body, faults);
  const passage = asked instanceof Promise ? await asked : asked;
  if (passage?.pass === false) {
    call.settle({ type: "block" });
    return answerOf(passage.refusal());
  }
  call.ticket = passage?.ticket;
  if (asked instanceof Promise && call.signal?.aborted === true) return giveUp(call, call.signal, input, init);
  let path: string | undefined;
  if (changes?.sent !== undefined) ({ input, init, path } = changedRequest(input, init, changes));
  if (begun.ask !== undefined) {
    const body = await begun.ask(changes?.sent?.body);
    if (body !== undefined) {
      init = { ...init, body };
      call.hides = true;
    }
  }
  const request = inFlight.begin(path === undefined ? call.target : { ...call.target, path }, true);
  if (call.signal?.aborted) call.givenUp = "held";
  let response: Response;
  try {
    response = await inFlight.run(request, carry, call, inner, self, input, init);
  } catch (error) {
    if (request.sent === false) call.givenUp ??= "sending";
    call.settle(endOf(error, call));
    throw error;
  } finally {
    inFlight.end(request);
  }
  if (begun.passing?.asked === true) call.hides = true;
  if (call.ours === false) {
    call.settle({ type: "end" });
    return response;
  }
  if (call.services.gate !== undefined && call.paid === undefined && mayBeCap(response))
    await readCap(call, response, meter);
  try {
    watch(meter, call, response, input, init);
    if (changes?.sent !== undefined || call.treatment !== undefined) showTreatment(response, call);
  } catch (error) {
    faults.report("body", error);
    call.settle({ type: "collect", unseen: true });
  }
  return response;
}

/**
 * A call that was given up while it was checked or waited is no call. It ends as `fetch` ends it, and nothing is sent, even
 * where the fetch that would carry it looks at no signal.
 */
function giveUp(call: OpenCall, { reason }: AbortSignal, input: FetchInput, init: FetchInit): never {
  call.ours = false;
  call.settle({ type: "end" });
  const error: unknown = reason ?? new DOMException("This operation was aborted", "AbortError");
  const body: unknown = init?.body ?? (isRequest(input) ? input.body : undefined);
  if (body instanceof ReadableStream && !body.locked) body.cancel(error).catch(() => {});
  throw error;
}

/** Sends a request, without our entries in the baggage that the user's propagators write. */
function carry(call: OpenCall, inner: Fetch, self: unknown, input: FetchInput, init: FetchInit): Promise<Response> {
  if (!call.hasBaggage) return inner.call(self as never, input, init);
  return withoutBaggage(PREFIX, () => inner.call(self as never, input, init));
}

function watch(meter: CallMeter, call: OpenCall, response: Response, input: FetchInput, init: FetchInit): void {
  const { headers, body } = response;
  const type = headers.get("content-type") ?? "";
  const stream = isEventStream(call, type);
  call.respond(response.status, stream, headers);
  if (call.over) return;
  if (body === null) call.settle({ type: "end" });
  else if (isNodeBody(body)) watchNodeBody(body, call, meter.abandoned);
  else watchResponse(response, call, stream && isForTestedSdk(input, init), meter.abandoned);
}

/** A vendor's own cap: its error is final, and the gate records it. */
async function readCap(call: OpenCall, response: Response, { faults, abandoned }: CallMeter): Promise<void> {
  try {
    const body = await readError(response, call, abandoned);
    if (isFinal(call, response.status, body, faults)) forbidRetry(response);
  } catch (error) {
    faults.report("body", error);
  }
}
