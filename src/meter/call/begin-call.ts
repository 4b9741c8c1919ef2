import type { Faults } from "../../core/faults.ts";
import { withKey } from "../identity/api-key.ts";
import type { Identity } from "../identity/frameworks/framework.ts";
import { type Identifier, identityAround, nodeFor } from "../identity/identify.ts";
import { PLAN_KEY } from "../identity/plan-login.ts";
import { PREFIX } from "../propagation/baggage.ts";
import { addOpenCall } from "../tracing/agent-span.ts";
import { openCallSpan } from "../tracing/call-span.ts";
import type { Contexts } from "../tracing/context.ts";
import { hasBaggage, lookAround, type Surroundings } from "../tracing/otel-global.ts";
import type { Tracing } from "../tracing/tracing.ts";
import type { RequestFacts } from "../wire/formats/format.ts";
import type { SaidScope } from "../wire/scope-headers.ts";
import type { Target } from "../wire/target.ts";
import { type CallServices, type OnSettled, OpenCall } from "./open-call.ts";
import { PaidRequest } from "./paid-request.ts";

/** A request to a model that is about to leave, as its transport sees it. */
export interface LeavingRequest {
  /** The facts of its body, at once or later; undefined when it cannot be read. */
  readonly facts: RequestFacts | undefined | Promise<RequestFacts | undefined>;
  /** Facts that come later are only known once the request is being sent. */
  readonly sends?: true;
  /** We asked for usage that the caller did not ask for. */
  readonly asked: boolean;
  /** In any form: `Headers`, pairs, or an object. */
  readonly headers: unknown;
  /** The scope in our own headers, if there are any. */
  readonly said: SaidScope | undefined;
  readonly signal: AbortSignal | null | undefined;
  /** It only opens a connection on which calls follow: no span, and no record unless it is refused. */
  readonly handshake?: true;
}

export interface BeginOptions {
  readonly contexts: Contexts;
  readonly identifier: Identifier;
  readonly tracing: Tracing;
  readonly faults: Faults;
  /** Called once per call. */
  readonly services: () => CallServices;
  /** The program whose request is passed on here, by its number. */
  readonly child?: (() => string | undefined) | undefined;
}

/** Begins the call of a request that is about to leave: its scope, its facts and its span. */
export function beginCall(
  options: BeginOptions,
  target: Target,
  request: LeavingRequest,
  onSettled: OnSettled,
): OpenCall {
  const { contexts, identifier, faults } = options;
  const { facts, headers, said } = request;
  const known = facts instanceof Promise ? undefined : facts;
  const context = contexts.capture();
  const around = lookAround();
  const identity = identityAround(identifier, around);
  const priced = pricedTarget(target, known);
  const paid = priced && new PaidRequest(priced, around, faults);
  const key = target.host?.plan === true ? PLAN_KEY : target.keyOf(headers);
  const call: OpenCall = new OpenCall({
    target: paid?.target ?? target,
    paid,
    context,
    node: withKey(nodeFor(identifier, context, identity, { headers, said, facts: known }), key),
    facts: known,
    hides: request.asked,
    signal: request.signal,
    faults,
    services: options.services(),
    onSettled,
  });
  if (key === PLAN_KEY) call.plan = true;
  if (options.child !== undefined) call.child = options.child();
  if (known !== undefined) paid?.expect(call, known);
  if (around.context !== undefined) call.hasBaggage = hasBaggage(PREFIX, around);
  if (facts instanceof Promise) {
    const read = readLater(options, call, facts, target.host === undefined, around, (late) => {
      call.facts = late;
      takePrice(call, late, around, faults);
      call.node = nodeOfLate(options, call, identity, request, late, key);
    });
    if (request.sends !== true) call.reads = read;
  }
  if (known?.retrieval === true || request.handshake === true) return call;
  if (call.ours === true && paid === undefined) openSpan(options, call, around);
  call.agentSpan = context.span;
  if (context.span !== undefined) addOpenCall(context.span);
  return call;
}

/** The target of a request that has a price, as far as is known; undefined for a model call. */
function pricedTarget(target: Target, facts: RequestFacts | undefined): Target | undefined {
  if (target.readFacts !== undefined) return target;
  return facts?.prices === undefined ? undefined : target.otherwise;
}

/** Makes a call that turned out to be a request with a price into one. */
function takePrice(call: OpenCall, late: RequestFacts, around: Surroundings, faults: Faults): void {
  const priced = call.paid === undefined ? pricedTarget(call.target, late) : undefined;
  if (priced !== undefined) {
    call.paid = new PaidRequest(priced, around, faults);
    call.target = call.paid.target;
  }
  call.paid?.expect(call, late);
}

function openSpan({ tracing, faults }: BeginOptions, call: OpenCall, around: Surroundings): void {
  try {
    call.span = openCallSpan(tracing, call, around);
  } catch (error) {
    faults.report("span", error);
  }
}

/** Waits for the facts of a body that comes later. `doubtful`: only then is it known whether this is a model call. */
function readLater(
  options: BeginOptions,
  call: OpenCall,
  body: Promise<RequestFacts | undefined>,
  doubtful: boolean,
  around: Surroundings,
  take: (facts: RequestFacts) => void,
): Promise<unknown> {
  const read = body.then(
    (facts) => {
      if (facts && (doubtful || !call.settled)) take(facts);
      return facts !== undefined || !doubtful;
    },
    (error: unknown) => {
      options.faults.report("request", error);
      return !doubtful;
    },
  );
  if (!doubtful) return read;
  call.ours = read;
  return read.then((ours) => {
    call.ours = ours;
    if (ours && !call.settled && call.paid === undefined) openSpan(options, call, around);
  });
}

function nodeOfLate(
  { identifier, faults }: BeginOptions,
  call: OpenCall,
  identity: Identity | undefined,
  { headers, said }: LeavingRequest,
  facts: RequestFacts,
  key: string | undefined,
): OpenCall["node"] {
  try {
    return withKey(nodeFor(identifier, call.context, identity, { headers, said, facts }), key);
  } catch (error) {
    faults.report("identity", error);
    return call.node;
  }
}
