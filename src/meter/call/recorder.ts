import type { CallPart, CallState, CostSource, Priced, Quality, SettledCall } from "../../core/call.ts";
import type { Faults } from "../../core/faults.ts";
import { entryOf, type Ledger } from "../../core/ledger.ts";
import type { Usage } from "../../core/usage.ts";
import { NOTHING_SPENT, type Spent } from "../../limits/gate.ts";
import type { Price, PriceQuery, PriceSource } from "../../pricing/price.ts";
import { closeCallSpan, releaseCallSpan } from "../tracing/call-span.ts";
import { resolveUsage } from "../wire/estimate.ts";
import type { ModelUsage } from "../wire/formats/format.ts";
import type { OpenCall } from "./open-call.ts";

type Settled = Extract<CallState, { phase: "settled" }>;

/** What a settled call is told to, in this order. Each is guarded on its own. */
export interface RecorderOptions {
  readonly faults: Faults;
  /** What the call came to; undefined when nobody knows. */
  readonly spent: (call: OpenCall, spent: Spent | undefined) => void;
  readonly ledger: Ledger;
  /** The ledger that outlives the process, where there is one. */
  readonly journal?: (call: SettledCall, parts: readonly CallPart[]) => void;
  readonly price: PriceSource;
  /** Our metrics; `parts` are what the call's own model and other models in it came to. */
  readonly instruments: (call: SettledCall, parts: readonly CallPart[]) => void;
  readonly listeners: ReadonlySet<(call: SettledCall) => unknown>;
}

export interface Recorder {
  record(call: OpenCall, state: Settled, endedMark: number): void;
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
  const { usage, quality } = usageOf(open, state);
  const model = reading.model ?? facts.model ?? "unknown";
  const quoted = usage ? quote(price, faults, open, usage, model) : NO_PARTS;
  const money = sum(quoted, usage, reading.costUsd);
  const parts = money.source === "provider" ? charge(quoted, money.nano) : quoted;
  const settled: { -readonly [K in keyof SettledCall]: SettledCall[K] } = {
    id: `${open.startedAt.toString(36)}-${sequence.toString(36)}`,
    scope: open.node.scope,
    provider: target.provider,
    model,
    format: target.format.name,
    stream: open.stream,
    ending: state.ending,
    quality,
    priced: money.priced,
    startedAt: open.startedAt,
    durationMs,
  };
  // Not spread into it, which would cost more than all else here.
  if (reading.responseId !== undefined) settled.responseId = reading.responseId;
  if (facts.model !== undefined) settled.requestModel = facts.model;
  if (reading.tier !== undefined) settled.tier = reading.tier;
  if (status !== undefined) settled.status = status;
  if (usage) settled.usage = usage;
  if (parts.length > 1) settled.otherModels = parts.slice(1).map((part) => ({ model: part.model, usage: part.usage }));
  if (money.nano !== undefined) {
    settled.costUsd = money.nano / 1e9;
    settled.costSource = money.source;
  }
  return { settled, parts, money };
}

/** Each is told even if another fails. */
function tell(options: RecorderOptions, open: OpenCall, { settled, parts, money }: Seen): void {
  const { faults, ledger, journal } = options;
  try {
    options.spent(open, spentOf(open, settled, parts, money.nano));
  } catch (error) {
    faults.report("guard", error);
  }
  try {
    const now = Math.trunc(open.startedAt + settled.durationMs);
    ledger.add(open.node, entryOf(settled, money.nano), now);
    for (let index = 1; index < parts.length; index++) {
      ledger.add(open.node, { calls: 0, cost: 0, usage: (parts[index] as CallPart).usage, unknown: false }, now);
    }
  } catch (error) {
    faults.report("ledger", error);
  }
  try {
    journal?.(settled, parts);
  } catch (error) {
    faults.report("ledger", error);
  }
  try {
    options.instruments(settled, parts);
  } catch (error) {
    faults.report("instruments", error);
  }
  try {
    if (open.span) closeCallSpan(open.span, open, settled);
    open.agentSpan?.settled(settled, money.nano);
  } catch (error) {
    faults.report("span", error);
  }
  for (const listener of options.listeners) tellListener(listener, settled, faults);
}

function tellListener(listener: (call: SettledCall) => unknown, settled: SettledCall, faults: Faults): void {
  try {
    const result = listener(settled) as Promise<unknown> | undefined;
    if (typeof result?.then === "function") result.then(undefined, (error) => faults.report("listener", error));
  } catch (error) {
    faults.report("listener", error);
  }
}

/** When our prices fail, the tokens still count: the call is unpriced then. */
function quote(price: PriceSource, faults: Faults, open: OpenCall, usage: Usage, model: string): readonly PricedPart[] {
  const { parts, extra } = open.reading;
  try {
    if (parts === undefined && extra === undefined)
      return [total(model, usage, priceOf(price, open, model, { usage }))];
    const own = (parts ?? [{ usage }]).map((part) => priceOf(price, open, model, part));
    const others = (extra ?? []).map((part) =>
      total(part.model ?? model, part.usage, priceOf(price, open, model, part)),
    );
    return [total(model, usage, ...own), ...others];
  } catch (error) {
    faults.report("price", error);
    return [{ model, usage, costNano: undefined, exact: true, partial: false }];
  }
}

function priceOf(price: PriceSource, open: OpenCall, model: string, part: ModelUsage): Price | undefined {
  const { reading, facts, target } = open;
  const query: PriceQuery = {
    provider: target.provider,
    model: part.model ?? model,
    at: open.startedAt,
    usage: part.usage,
    tier: reading.tier,
    speed: reading.speed,
    geo: reading.geo,
    priceId: target.host?.priceId,
    guessedProvider: target.host === undefined,
  };
  const found = price(query);
  if (found) return found;
  // A served model too new to have a price may be known by the name it was asked for.
  if (part.model !== undefined || facts.model === undefined || facts.model === model) return undefined;
  const other = price({ ...query, model: facts.model });
  return other && { ...other, exact: false };
}

const NO_PARTS: readonly PricedPart[] = [];

interface PricedPart extends CallPart {
  readonly exact: boolean;
  readonly partial: boolean;
}

/** One unknown price among the turns of a call makes their sum unknown: a part of a cost is not the cost. */
function total(model: string, usage: Usage, ...prices: readonly (Price | undefined)[]): PricedPart {
  let costNano: number | undefined = 0;
  let exact = true;
  let partial = false;
  for (const price of prices) {
    costNano = price && costNano !== undefined ? costNano + price.nanoUsd : undefined;
    exact &&= price?.exact !== false;
    partial ||= price?.partial === true;
  }
  return { model, usage, costNano, exact, partial };
}

/** A call that was refused, or never reached the vendor, used nothing; one that nobody saw is unknown. */
function usageOf(open: OpenCall, state: Settled): { usage: Usage | undefined; quality: Quality } {
  const { reading, status, facts, target } = open;
  if (state.ending === "blocked") return NOTHING;
  if (status === undefined && state.ending === "failed") return NOTHING;
  if ((status !== undefined && status >= 400) || state.unseen) return NOTHING;
  if (state.ending === "completed" && !reading.recognized) return NOTHING;
  return resolveUsage(target.format.name, facts, reading);
}

/** Undefined when the call used something, and nobody knows what. */
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
  // What goes on at the vendor is charged when it is retrieved.
  return refused || reading.pending ? NOTHING_SPENT : undefined;
}

interface Seen {
  readonly settled: SettledCall;
  readonly parts: readonly CallPart[];
  readonly money: Money;
}

const NOTHING = { usage: undefined, quality: "unknown" } as const;

interface Money {
  readonly nano: number | undefined;
  readonly source: CostSource;
  readonly priced: Priced;
}

/** Puts what the vendor charged for the whole call on its own model. */
function charge(parts: readonly PricedPart[], costNano: number | undefined): readonly CallPart[] {
  return parts.map((part, index) => ({ ...part, costNano: index === 0 ? costNano : 0 }));
}

/** What the vendor says it charged wins over our own prices. */
function sum(parts: readonly PricedPart[], usage: Usage | undefined, vendorUsd: number | undefined): Money {
  if (usage === undefined) return { nano: undefined, source: "local", priced: "none" };
  if (vendorUsd !== undefined) return { nano: Math.round(vendorUsd * 1e9), source: "provider", priced: "true" };
  let nano: number | undefined;
  let exact = true;
  let partial = false;
  for (const part of parts) {
    if (part.costNano === undefined) {
      partial = true;
      continue;
    }
    nano = (nano ?? 0) + part.costNano;
    exact &&= part.exact;
    partial ||= part.partial;
  }
  if (nano === undefined) return UNPRICED;
  return { nano, source: "local", priced: partial ? "partial" : exact ? "true" : "inexact" };
}

const UNPRICED: Money = { nano: undefined, source: "local", priced: "false" };
