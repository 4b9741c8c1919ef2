import { implausible, MAX_CALL_NANO } from "../../core/figures.ts";
import type { ScopeNode } from "../../core/scope.ts";
import { NO_TAGS } from "../../core/tags/tags.ts";
import type { Ask, Forecast, Passage, Ticket } from "../../limits/gate.ts";
import type { RefusalShape } from "../../limits/refusal.ts";
import { identityAround, nodeFor } from "../identity/identify.ts";
import { addOpenCall, dropOpenCall } from "../tracing/agent-span.ts";
import type { Context } from "../tracing/context.ts";
import { lookAround, type Surroundings } from "../tracing/otel-global.ts";
import { type AnswerFacts, answerFormat } from "../wire/charges/answer.ts";
import { forecastOf, learnUnits, type PricedAddress, type PricedRequest } from "../wire/charges/price-list.ts";
import type { WireFormat } from "../wire/formats/format.ts";
import { FRAMINGS } from "../wire/framings.ts";
import { readScopeHeaders, type SaidScope } from "../wire/scope-headers.ts";
import type { Target } from "../wire/target.ts";
import type { BeginOptions } from "./begin-call.ts";
import type { ChargingServices } from "./charges.ts";
import { OpenCall } from "./open-call.ts";

export interface PaidOptions extends BeginOptions {
  readonly services: () => ChargingServices;
}

/** A request to a paid API that is no model, as its transport sees it. */
export interface LeavingPaidRequest {
  readonly at: PricedAddress;
  readonly priced: PricedRequest;
  readonly method: string;
  /** In any form: `Headers`, pairs, or an object. */
  readonly headers: unknown;
  readonly signal: AbortSignal | null | undefined;
}

/** A paid request between its sending and its answer. It is counted once, when the answer is a success. */
export class PaidRequest {
  readonly priced: PricedRequest;
  readonly node: ScopeNode;
  readonly target: Target;
  readonly services: ChargingServices;
  /** The scope in our own headers, which are to be taken off. */
  readonly said: SaidScope | undefined;
  ticket: Ticket | undefined = undefined;
  readonly #facts: AnswerFacts = { failed: false, units: undefined };
  readonly #format: WireFormat;
  readonly #options: PaidOptions;
  readonly #context: Context;
  readonly #around: Surroundings;
  readonly #signal: AbortSignal | null | undefined;
  #over = false;

  /** @param tags The declared ones. */
  constructor(
    options: PaidOptions,
    { at, priced, method, headers, signal }: LeavingPaidRequest,
    tags: readonly string[] = NO_TAGS,
  ) {
    const { contexts, identifier } = options;
    this.#options = options;
    this.priced = priced;
    this.#context = contexts.capture();
    this.#around = lookAround();
    const identity = identityAround(identifier, this.#around);
    const said = readScopeHeaders(headers, tags);
    this.said = said;
    this.node = nodeFor(identifier, this.#context, identity, { headers, said, facts: undefined });
    this.#format = answerFormat(priced, this.#facts);
    this.#signal = signal;
    this.target = targetOf(at, this.#format, method);
    this.services = options.services();
    if (this.#context.span !== undefined) addOpenCall(this.#context.span);
  }

  get refusal(): RefusalShape {
    return this.#format.refusal;
  }

  /** What watches the body of a successful answer, for a price that the body decides; it settles this request. */
  watch(settled: (call: OpenCall) => void): OpenCall {
    return new OpenCall({
      target: this.target,
      context: this.#context,
      node: this.node,
      facts: undefined,
      hides: false,
      signal: this.#signal,
      faults: this.#options.faults,
      services: this.services,
      onSettled: (call) => {
        settled(call);
        this.settle();
      },
    });
  }

  /** The answer was a success as far as it was read. Where it did not say its figure, the row says what to assume. */
  settle(): void {
    if (this.#over) return;
    if (this.#facts.failed) {
      this.drop();
      return;
    }
    this.#over = true;
    const { row, what } = this.priced;
    const { faults } = this.#options;
    let units = row.figure === undefined ? 1 : this.#facts.units;
    if (units !== undefined && !(row.usd * units * 1e9 <= MAX_CALL_NANO)) {
      faults.report("figure", implausible(`$${row.usd * units}`));
      units = undefined;
    }
    if (units !== undefined && row.figure !== undefined) learnUnits(row, units);
    const costNano = Math.round(row.usd * (units ?? row.assume) * 1e9);
    const { node, ticket } = this;
    const place = { node, ticket, around: this.#around, agentSpan: this.#context.span };
    this.services.charge({ scope: node.scope, what, costNano, units, at: Date.now() }, place);
    this.#end();
  }

  /** It was refused, or failed: it costs nothing. */
  drop(): void {
    if (this.#over) return;
    this.#over = true;
    this.ticket?.release();
    this.#end();
  }

  #end(): void {
    const { span } = this.#context;
    if (span !== undefined) this.#options.faults.guard("span", () => dropOpenCall(span));
  }
}

/**
 * Asks the gate whether a paid request may leave. Undefined when no gate applies. Never rejects.
 */
export function admitPaid(
  paid: PaidRequest,
  { faults }: PaidOptions,
): Passage | undefined | Promise<Passage | undefined> {
  const { gate } = paid.services;
  if (gate === undefined) return undefined;
  const refused = (error: unknown): Passage | undefined => {
    faults.report("guard", error);
    const refusal = gate.unchecked(paid.refusal);
    return refusal && { pass: false, refusal: () => refusal };
  };
  try {
    const passage = gate.admit(askOf(paid));
    return passage instanceof Promise ? passage.catch(refused) : passage;
  } catch (error) {
    return refused(error);
  }
}

function askOf({ priced, node, refusal }: PaidRequest): Ask {
  const forecast: Forecast = { tokens: 0, calls: 0, costNano: forecastOf(priced.row) };
  return {
    node,
    refusal,
    provider: priced.row.host,
    model: priced.what,
    forecast: () => forecast,
    fingerprint: () => undefined,
    // What is paid for is done once the answer begins.
    cut: () => {},
  };
}

function targetOf({ address, path }: PricedAddress, format: WireFormat, method: string): Target {
  return {
    format,
    route: NO_ROUTE,
    framing: FRAMINGS.sse,
    host: undefined,
    provider: format.provider,
    geo: undefined,
    local: false,
    address,
    path,
    method,
    shapes: new Map(),
    gateway: { gateway: undefined, looks: 0 },
    asksUsage: false,
    samples: false,
    keyOf: () => undefined,
    tags: [],
  };
}

const NO_ROUTE: Target["route"] = { endpoint: { method: "POST", path: "/" }, model: undefined };
