import { type CallPart, type CallState, costNanoOf, type Quality, type SettledCall } from "../../core/call.ts";
import type { Faults } from "../../core/faults.ts";
import { implausible, MAX_CALL_COUNT, MAX_CALL_NANO } from "../../core/figures.ts";
import { entryOf, type Ledger } from "../../core/ledger.ts";
import type { ScopeNode } from "../../core/scope.ts";
import type { Usage } from "../../core/usage.ts";
import { NOTHING_SPENT, type Spent } from "../../limits/gate.ts";
import type { PriceSource } from "../../pricing/price.ts";
import { learn } from "../estimates/learn.ts";
import { type Resolved, resolveUsage } from "../estimates/usage.ts";
import { addSettledCall } from "../tracing/agent-span.ts";
import { closeCallSpan, releaseCallSpan } from "../tracing/call-span.ts";
import { addGuardrail } from "../wire/bedrock/guardrails.ts";
import type { ModelUsage } from "../wire/formats/format.ts";
import { withTools } from "../wire/tools/server-tools.ts";
import { charge, type Money, type PricedPart, quote, sum, UNPRICED } from "./call-cost.ts";
import type { OpenCall } from "./open-call.ts";
import { markRepeat } from "./treatment.ts";

const NO_PARTS: readonly PricedPart[] = [];

type Settled = Extract<CallState, { phase: "settled" }>;

/** The consumers of a settled call, in order. Each is guarded separately. */
export interface RecorderOptions {
  readonly faults: Faults;
  /** Charges the budgets with what a call has spent that was not checked before. */
  readonly charge: (node: ScopeNode, spent: Spent) => void;
  readonly ledger: Ledger;
  /** The persistent ledger, if there is one. */
  readonly journal?: (call: SettledCall, parts: readonly CallPart[], open: OpenCall) => void;
  readonly price: PriceSource;
  /** Our metrics; `parts` are the totals of the call's own model and of other models in it. */
  readonly instruments: (call: SettledCall, parts: readonly CallPart[]) => void;
  readonly listeners: ReadonlySet<(call: SettledCall) => unknown>;
}

export interface Recorder {
  record(call: OpenCall, state: Settled, endedMark: number): void;
  /** Accounts for a call that another thread has settled; its budgets were charged there. */
  adopt(call: SettledCall, parts: readonly CallPart[], node: ScopeNode): void;
}

export function createRecorder(options: RecorderOptions): Recorder {
  const { faults, price } = options;
  let sequence = 0;

  return {
    record(open, state, endedMark) {
      try {
        tell(options, open, readCall(price, faults, open, state, endedMark - open.startedMark, sequence++));
      } finally {
        if (open.span) releaseCallSpan(open.span, open);
      }
    },
    adopt(settled, parts, node) {
      account(options, node, settled, parts, costNanoOf(settled));
      for (const listener of options.listeners) notifyListener(listener, settled, faults);
    },
  };
}

/** What is known of a call at its ending. */
function readCall(
  price: PriceSource,
  faults: Faults,
  open: OpenCall,
  state: Settled,
  durationMs: number,
  sequence: number,
): Seen {
  const { target, reading, facts, status } = open;
  const { usage, quality } = plausible(faults, usageOf(open, state), reading);
  const uncached = usage && quality === "reported" && !reading.cached ? learnFrom(faults, open, usage) : undefined;
  const named = target.format.requestNamesModel === true ? facts.model : undefined;
  const model = reading.served?.model ?? named ?? reading.model ?? facts.model ?? "unknown";
  const reported = reportedUsd(open, state, quality);
  const quoted = usage ? quote(price, faults, open, usage, model) : NO_PARTS;
  const money = bounded(faults, open, sum(quoted, usage, reading.cached, reported));
  const parts = money.source === "provider" ? charge(quoted, money.nano) : quoted;
  const settled: { -readonly [K in keyof SettledCall]: SettledCall[K] } = {
    id: `${open.startedAt.toString(36)}-${sequence.toString(36)}`,
    scope: open.node.scope,
    provider: reading.served?.provider ?? target.provider,
    model,
    format: target.format.name,
    stream: open.stream,
    ending: state.ending,
    quality,
    priced: open.plan ? "plan" : money.priced,
    startedAt: open.startedAt,
    durationMs,
  };
  // Not spread into it, which would cost more than all else here.
  if (reading.responseId !== undefined) settled.responseId = reading.responseId;
  const changes = open.changeable?.changes;
  if (state.ending !== "blocked") {
    if (changes !== undefined) settled.changes = changes;
    if (open.treatment !== undefined) Object.assign(settled, open.treatment);
  }
  if (facts.model !== undefined) settled.requestModel = facts.model;
  if (reading.tier !== undefined) settled.tier = reading.tier;
  if (status !== undefined) settled.status = status;
  if (usage) settled.usage = usage;
  if (uncached !== undefined && state.ending === "completed") settled.uncached = uncached;
  if (open.same !== undefined) markRepeat(settled, open.same);
  if (parts.length > 1) settled.otherModels = parts.slice(1).map((part) => ({ model: part.model, usage: part.usage }));
  if (money.unpriced !== undefined) settled.unpricedParts = money.unpriced;
  if (money.nano !== undefined) {
    settled.costUsd = money.nano / 1e9;
    settled.costSource = money.source;
  }
  return { settled, parts, money };
}

/** What the vendor reported, unless a stream that broke off went on after its last report. */
function reportedUsd({ stream, reading }: OpenCall, { ending }: Settled, quality: Quality): number | undefined {
  return stream && quality === "estimated" && ending !== "completed" ? undefined : reading.costUsd;
}

function tell(options: RecorderOptions, open: OpenCall, { settled, parts, money }: Seen): void {
  const { faults, journal } = options;
  try {
    const spent = spentOf(open, settled, parts, money.nano);
    if (open.ticket !== undefined) open.ticket.settle(spent);
    else if (spent !== undefined && open.facts.retrieval === true) options.charge(open.node, spent);
  } catch (error) {
    faults.report("guard", error);
  }
  account(options, open.node, settled, parts, money.nano);
  try {
    journal?.(settled, parts, open);
  } catch (error) {
    faults.report("ledger", error);
  }
  try {
    if (open.span) closeCallSpan(open.span, open, settled);
    if (open.agentSpan !== undefined) addSettledCall(open.agentSpan, settled, money.nano);
  } catch (error) {
    faults.report("span", error);
  }
  for (const listener of options.listeners) notifyListener(listener, settled, faults);
}

function account(
  { faults, ledger, instruments }: RecorderOptions,
  node: ScopeNode,
  settled: SettledCall,
  parts: readonly CallPart[],
  costNano: number | undefined,
): void {
  try {
    const now = Math.trunc(settled.startedAt + settled.durationMs);
    ledger.add(node, entryOf(settled, costNano), now);
    for (let index = 1; index < parts.length; index++) {
      ledger.add(node, { calls: 0, cost: 0, usage: (parts[index] as CallPart).usage, unknown: false }, now);
    }
  } catch (error) {
    faults.report("ledger", error);
  }
  try {
    instruments(settled, parts);
  } catch (error) {
    faults.report("instruments", error);
  }
}

function notifyListener(listener: (call: SettledCall) => unknown, settled: SettledCall, faults: Faults): void {
  try {
    const result = listener(settled) as Promise<unknown> | undefined;
    if (typeof result?.then === "function") result.then(undefined, (error) => faults.report("listener", error));
  } catch (error) {
    faults.report("listener", error);
  }
}

/** A call that was refused, or never reached the vendor, used nothing; one that was not observed is unknown. */
function usageOf(open: OpenCall, state: Settled): { usage: Usage | undefined; quality: Quality } {
  const { reading, status, facts, target } = open;
  if (state.ending === "blocked") return NOTHING;
  if (status === undefined && (state.ending === "failed" || open.givenUp === "sending")) return NOTHING;
  if ((status !== undefined && status >= 400) || state.unseen || open.doubt === "usage") return NOTHING;
  if (state.ending === "completed" && !reading.recognized) return NOTHING;
  // Out of a cache even zeros are a report: nothing was used.
  if (reading.cached && reading.usage?.input === 0 && reading.usage.output === 0) {
    return { usage: reading.usage, quality: "reported" };
  }
  const resolved = resolveUsage(open.services.knowledge, target.format.rates, facts, reading);
  const extras = reading.tools !== undefined || facts.search !== undefined || facts.guarded === true;
  return extras ? withServerTools(open, resolved) : resolved;
}

/** The first of the turns inside a call carries its tools, which vendors count for the whole call. */
function withServerTools({ reading, facts, target }: OpenCall, resolved: Resolved): Resolved {
  if (resolved.usage === undefined) return resolved;
  if (facts.guarded) addGuardrail(reading);
  const { tools, parts } = reading;
  if (facts.freeCode && tools !== undefined) delete tools.units.code_execution;
  const asked = target.provider === "perplexity" || facts.search?.tool !== undefined ? facts.search : undefined;
  const [first, ...others] = parts ?? [];
  if (first !== undefined) reading.parts = [{ ...first, usage: withTools(first.usage, tools, asked) }, ...others];
  return { usage: withTools(resolved.usage, tools, asked), quality: resolved.quality };
}

function learnFrom(faults: Faults, open: OpenCall, usage: Usage): number | undefined {
  const { services, target, facts, reading, startedAt } = open;
  try {
    return learn(services.knowledge, target.format.rates, facts, reading, usage, startedAt);
  } catch (error) {
    faults.report("estimate", error);
    return undefined;
  }
}

/** A usage that no call can have is a fault, and unknown. */
function plausible(faults: Faults, resolved: Resolved, { parts, extra }: OpenCall["reading"]): Resolved {
  if (resolved.usage === undefined) return resolved;
  for (const { usage } of [resolved as ModelUsage, ...(parts ?? []), ...(extra ?? [])]) {
    const isWithin =
      usage.input <= MAX_CALL_COUNT && usage.output <= MAX_CALL_COUNT && usage.webSearches <= MAX_CALL_COUNT;
    if (isWithin) continue;
    faults.report("figure", implausible(usage));
    return NOTHING;
  }
  return resolved;
}

/** A cost that no call can have, whether from the vendor or by a price, is a fault, and unknown. */
function bounded(faults: Faults, { doubt, reading }: OpenCall, money: Money): Money {
  if (doubt === "cost" && money.nano !== undefined && !reading.cached) return UNPRICED;
  if (money.nano === undefined || (money.nano >= 0 && money.nano <= MAX_CALL_NANO)) return money;
  faults.report("figure", implausible(`$${money.nano / 1e9}`));
  return UNPRICED;
}

/** Undefined when the usage is unknown. */
function spentOf(
  { reading }: OpenCall,
  { usage, ending, status }: SettledCall,
  parts: readonly CallPart[],
  costNano: number | undefined,
): Spent | undefined {
  if (usage !== undefined) {
    let tokens = 0;
    for (const part of parts) tokens += part.usage.input + part.usage.output;
    return { tokens, costNano };
  }
  const refused = ending === "blocked" || (status === undefined ? ending === "failed" : status >= 400);
  // A response that continues at the vendor is charged when it is retrieved.
  return refused || reading.pending || reading.cached ? NOTHING_SPENT : undefined;
}

interface Seen {
  readonly settled: SettledCall;
  readonly parts: readonly CallPart[];
  readonly money: Money;
}

const NOTHING = { usage: undefined, quality: "unknown" } as const;
