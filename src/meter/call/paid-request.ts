import type { Faults } from "../../core/faults.ts";
import { implausible, MAX_CALL_NANO } from "../../core/figures.ts";
import type { ScopeNode } from "../../core/scope.ts";
import type { Work } from "../../core/work/work.ts";
import type { Ask, Forecast, Ticket } from "../../limits/gate.ts";
import { type AgentSpan, dropOpenCall } from "../tracing/agent-span.ts";
import type { Surroundings } from "../tracing/otel-global.ts";
import { type AnswerFacts, answerOf, type ChargeAnswer, needsAnswer } from "../wire/charges/answer.ts";
import { targetOfRequest } from "../wire/charges/paid-target.ts";
import { forecastOf, learnUnits } from "../wire/charges/price-list.ts";
import type { PricedRequest } from "../wire/charges/priced.ts";
import type { RequestFacts } from "../wire/formats/format.ts";
import type { Target } from "../wire/target.ts";
import type { RecordCharge } from "./charges.ts";

/** What of its call a paid request looks at. */
interface Call {
  readonly node: ScopeNode;
  readonly facts: RequestFacts;
  readonly reads: Promise<unknown> | undefined;
  readonly status: number | undefined;
  readonly ticket: Ticket | undefined;
  readonly agentSpan: AgentSpan | undefined;
  readonly context: { readonly work?: Work | undefined };
  readonly services: { readonly charge: RecordCharge };
}

/** What a call has where it is no model call but a request with a price. It is counted once, when the answer is a success. */
export class PaidRequest {
  readonly target: Target;
  readonly #around: Surroundings;
  readonly #faults: Faults;
  readonly #answer: ChargeAnswer;
  #prices: readonly PricedRequest[] | undefined = undefined;

  constructor(target: Target, around: Surroundings, faults: Faults) {
    this.#around = around;
    this.#faults = faults;
    this.#answer = { prices: () => this.#prices, answers: [] };
    this.target = targetOfRequest(target, this.#answer);
  }

  /** Whether it is not known what it costs, and will not be before it is sent. */
  isUnread({ facts, reads }: Call): boolean {
    return facts.prices === undefined && reads === undefined;
  }

  /** Whether the body of an answer with this status decides what it cost. */
  needsAnswer({ facts }: Call, status: number): boolean {
    this.#prices = facts.prices;
    return isSuccess(status) && needsAnswer(facts.prices);
  }

  /** What the gate is asked. */
  ask({ node, facts }: Call): Ask {
    const prices = facts.prices ?? [];
    this.#prices = prices;
    const forecast: Forecast = {
      tokens: 0,
      calls: 0,
      costNano: prices.reduce((sum, { row }) => sum + forecastOf(row), 0),
    };
    return {
      node,
      refusal: this.target.format.refusal,
      provider: prices[0]?.row.host ?? this.target.address,
      model: prices[0]?.what,
      forecast: () => forecast,
      fingerprint: () => undefined,
      cut: () => {},
    };
  }

  /** Counts what the answer has shown it to cost: nothing where it was refused, or failed. */
  settle(call: Call): void {
    const prices = call.facts.prices ?? [];
    let ticket = call.ticket;
    if (call.status !== undefined && isSuccess(call.status)) {
      prices.forEach((priced, at) => {
        const facts = answerOf(this.#answer, at);
        if (facts.failed) return;
        this.#charge(call, priced, facts, ticket);
        ticket = undefined;
      });
    }
    ticket?.release();
    const { agentSpan } = call;
    if (agentSpan !== undefined) this.#faults.guard("span", () => dropOpenCall(agentSpan));
  }

  /** Where the answer did not say its figure, the row says what to assume. */
  #charge(call: Call, { row, what }: PricedRequest, facts: AnswerFacts, ticket: Ticket | undefined): void {
    let units = row.figure === undefined ? 1 : facts.units;
    if (units !== undefined && !(row.usd * units * 1e9 <= MAX_CALL_NANO)) {
      this.#faults.report("figure", implausible(`$${row.usd * units}`));
      units = undefined;
    }
    if (units !== undefined && row.figure !== undefined) learnUnits(row, units);
    const costNano = Math.round(row.usd * (units ?? row.assume) * 1e9);
    const { node, agentSpan, services, context } = call;
    const place = { node, ticket, around: this.#around, agentSpan, work: context.work };
    services.charge({ scope: node.scope, what, costNano, units, at: Date.now() }, place);
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}
