import type { SettleEvent } from "../../core/call.ts";
import type { Faults } from "../../core/faults.ts";
import { implausible, MAX_CALL_NANO } from "../../core/figures.ts";
import type { ScopeNode } from "../../core/scope.ts";
import type { Work } from "../../core/work/work.ts";
import type { Ask, Forecast, Ticket } from "../../limits/gate.ts";
import { type AgentSpan, dropOpenCall } from "../tracing/agent-span.ts";
import type { Surroundings } from "../tracing/otel-global.ts";
import { type AnswerFacts, answerOf, type ChargeAnswer, needsAnswer, readMessages } from "../wire/charges/answer.ts";
import { targetOfRequest } from "../wire/charges/paid-target.ts";
import { forecastOf, learnUnits } from "../wire/charges/price-list.ts";
import type { PricedRequest } from "../wire/charges/priced.ts";
import { toolStreamFraming } from "../wire/charges/tool-stream-reader.ts";
import {
  closeToolStream,
  expectAnswer,
  giveUpAnswer,
  newToolStream,
  type ToolStream,
} from "../wire/charges/tool-streams.ts";
import type { RequestFacts } from "../wire/formats/format.ts";
import type { Target } from "../wire/target.ts";
import type { RecordCharge } from "./charges.ts";

/** What of its call a paid request looks at. */
interface Call {
  readonly node: ScopeNode;
  readonly facts: RequestFacts;
  readonly reads: Promise<unknown> | undefined;
  status: number | undefined;
  readonly stream: boolean;
  readonly ticket: Ticket | undefined;
  readonly agentSpan: AgentSpan | undefined;
  readonly context: { readonly work?: Work | undefined };
  readonly services: { readonly charge: RecordCharge };
  settle(event: SettleEvent): void;
}

/** What a call has where it is no model call but a request with a price. It is counted once, when the answer is a success. */
export class PaidRequest {
  readonly target: Target;
  readonly #around: Surroundings;
  readonly #faults: Faults;
  readonly #answer: ChargeAnswer;
  /** The stream that it opens, or on which its answer comes. */
  readonly #stream: ToolStream | undefined;
  readonly #listens: boolean;
  #prices: readonly PricedRequest[] | undefined = undefined;
  /** The call, once it was sent and only its answer on the stream is missing. */
  #waiting: Call | undefined = undefined;

  constructor(target: Target, around: Surroundings, faults: Faults) {
    this.#around = around;
    this.#faults = faults;
    this.#answer = { prices: () => this.#prices, answers: [] };
    const { priced, facts } = target;
    this.#listens = facts?.retrieval === true;
    if (this.#listens) this.#stream = newToolStream(priced?.href ?? "");
    else this.#stream = priced?.streams.get(priced.href);
    const read = targetOfRequest(target, this.#answer);
    this.target =
      this.#listens && this.#stream !== undefined && priced !== undefined
        ? { ...read, framing: toolStreamFraming(priced.streams, this.#stream) }
        : read;
  }

  /** Its facts are known: an answer that comes on a stream may be there before the request itself is answered. */
  expect(call: Call, { prices }: RequestFacts): void {
    const stream = this.#stream;
    if (stream === undefined || this.#listens) return;
    this.#prices = prices;
    for (const { rpc } of prices ?? []) {
      if (rpc === undefined) continue;
      expectAnswer(stream, rpc.id, {
        answered: (message) => this.#answered(call, message),
        givenUp: () => this.#finish(),
      });
    }
  }

  #answered(call: Call, message: unknown): void {
    if (!readMessages(this.#answer, message)) return;
    this.#finish();
    // The answer was faster than the response to its request, which says nothing more.
    call.status ??= ACCEPTED;
    call.settle({ type: "end" });
  }

  #finish(): void {
    const call = this.#waiting;
    this.#waiting = undefined;
    if (call !== undefined) this.#faults.guard("settle", () => this.#count(call));
  }

  /** Whether it is not known what it costs, and will not be before it is sent. */
  isUnread({ facts, reads }: Call): boolean {
    return facts.prices === undefined && reads === undefined;
  }

  /** Whether the body of an answer with this status decides what it cost. */
  needsAnswer({ facts, stream }: Call, status: number): boolean {
    if (this.#listens) return stream && isSuccess(status);
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
    const stream = this.#stream;
    const { streams } = this.target.priced ?? {};
    if (stream !== undefined && this.#listens) {
      if (streams !== undefined) closeToolStream(streams, stream);
      return;
    }
    if (stream !== undefined && this.#isAwaited(call, stream)) {
      this.#waiting = call;
      return;
    }
    this.#count(call);
    for (const { rpc } of call.facts.prices ?? []) if (stream !== undefined) giveUpAnswer(stream, rpc?.id);
  }

  /** The server has taken the call, and its answer is still to come. */
  #isAwaited({ status, facts: { prices = [] } }: Call, { endpoint, expected }: ToolStream): boolean {
    if (status !== ACCEPTED || endpoint === undefined || this.target.priced?.streams.has(endpoint) !== true)
      return false;
    return prices.some(({ rpc }, at) => rpc !== undefined && expected.has(rpc.id) && !answerOf(this.#answer, at).done);
  }

  #count(call: Call): void {
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

const ACCEPTED = 202;

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}
