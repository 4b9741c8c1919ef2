import type { CallPart, Priced, SettledCall } from "../call.ts";
import { type Json, object, parse } from "../json.ts";
import {
  countUsage,
  type MeteredGroup,
  type MeteredSums,
  meteredKey,
  meteredRows,
  meteredSums,
  NOTHING_METERED,
} from "../metered.ts";
import type { Usage } from "../usage.ts";

/** A call whose usage the vendor did not report in its response, and may report later. */
export interface LateCall {
  /** Unique among all processes. */
  readonly id: string;
  /** The vendor's id of the response; empty when none was seen. */
  readonly responseId: string;
  /** The group that it was metered in; its quality is `estimated` or `unknown`. */
  readonly group: MeteredGroup;
  /** The estimate; undefined when the usage is unknown. */
  readonly usage?: Usage;
  /** Nano-USD of the estimate; undefined when unpriced or unknown. */
  readonly costNano?: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** What else decides the price: see `PriceQuery`. */
  readonly terms: PriceTerms;
}

/** What decides the price of a call besides its model, tier and usage. */
export interface PriceTerms {
  readonly speed?: string;
  readonly geo?: string;
  readonly priceId?: string;
  readonly guessedProvider?: boolean;
}

/** What the vendor said of a late call. */
export interface LateFigures {
  readonly usage: Usage;
  /** Nano-USD; undefined when no price is known. */
  readonly costNano?: number;
  readonly priced: Priced;
}

/** The figures that replace an estimate, for good. */
export interface LateSettlement extends LateFigures {
  /** The id of the {@link LateCall}. */
  readonly id: string;
  /** When it settled, in milliseconds since the epoch. */
  readonly at: number;
  /** Who settled it, and so who adds it to the metrics: {@link POLLER}, or the id of a process. */
  readonly by: string;
}

/** `by` of settlements that `spendfuse poll` made. */
export const POLLER = "poll";

/**
 * The late call of a settled one; undefined when the vendor has reported it, or will not report it: a call that was
 * refused, one on a subscription, or one in which several models were at work, whose figures cannot be told apart.
 * @param tags As for `meteredRows`.
 */
export function lateCallOf(
  call: SettledCall,
  parts: readonly CallPart[],
  holder: string,
  terms: PriceTerms,
  tags = "",
): LateCall | undefined {
  if (call.quality === "reported" || call.priced === "plan" || parts.length > 1) return undefined;
  const [row] = meteredRows(call, parts, tags);
  if (row === undefined) return undefined;
  const { day, provider, model, tier, key, agent, rootAgent, team, project, quality, priced } = row;
  const costNano = parts[0]?.costNano;
  return {
    id: `${holder}/${call.id}`,
    responseId: call.responseId ?? "",
    group: {
      ...{ day, provider, model, tier, key, agent, rootAgent, team, project, quality, priced },
      ...(row.tags !== undefined && { tags: row.tags }),
    },
    ...(call.usage !== undefined && { usage: call.usage }),
    ...(costNano !== undefined && { costNano }),
    startedAt: call.startedAt,
    endedAt: Math.trunc(call.startedAt + call.durationMs),
    terms,
  };
}

/** What a settlement changes of the metered rows: the estimate is taken out, and the vendor's figures are added. */
export function metersOf(
  call: LateCall,
  settlement: LateFigures,
): readonly (readonly [key: string, sums: readonly number[]])[] {
  const before = meteredSums(sumsOfUsage(call.usage, call.costNano));
  const after = meteredSums(sumsOfUsage(settlement.usage, settlement.costNano));
  const settled: MeteredGroup = { ...call.group, quality: "settled", priced: settlement.priced };
  return [
    [meteredKey(call.group), before.map((sum) => -sum)],
    [meteredKey(settled), after],
  ];
}

function sumsOfUsage(usage: Usage | undefined, costNano = 0): MeteredSums {
  return usage === undefined ? { ...NOTHING_METERED, calls: 1 } : countUsage(usage, costNano, 1);
}

/** A late call that was written as JSON; undefined for anything else. */
export function readLateCall(json: string): LateCall | undefined {
  const { id, responseId, group, usage, costNano, startedAt, endedAt, terms } = object(parse(json)) ?? {};
  if (typeof id !== "string" || typeof responseId !== "string" || !isCount(startedAt) || !isCount(endedAt))
    return undefined;
  const readGroup = object(group);
  if (readGroup === undefined || !isCount(readGroup.day)) return undefined;
  if (!GROUP_TEXTS.every((name) => typeof readGroup[name] === "string")) return undefined;
  if (readGroup.tags !== undefined && typeof readGroup.tags !== "string") return undefined;
  if (usage !== undefined && !isUsage(usage)) return undefined;
  if (costNano !== undefined && !isCount(costNano)) return undefined;
  return {
    id,
    responseId,
    group: readGroup as unknown as MeteredGroup,
    ...(usage !== undefined && { usage }),
    ...(costNano !== undefined && { costNano }),
    startedAt,
    endedAt,
    terms: readTerms(object(terms) ?? {}),
  };
}

const GROUP_TEXTS = [
  ...["provider", "model", "tier", "key", "agent", "rootAgent", "team", "project", "quality", "priced"],
];

function readTerms({ speed, geo, priceId, guessedProvider }: Json): PriceTerms {
  return {
    ...(typeof speed === "string" && { speed }),
    ...(typeof geo === "string" && { geo }),
    ...(typeof priceId === "string" && { priceId }),
    ...(guessedProvider === true && { guessedProvider }),
  };
}

/** A settlement that was written as JSON; undefined for anything else. */
export function readSettlement(json: string): LateSettlement | undefined {
  const { id, at, by, usage, costNano, priced } = object(parse(json)) ?? {};
  if (typeof id !== "string" || typeof by !== "string" || typeof priced !== "string") return undefined;
  if (!isCount(at) || !isUsage(usage) || (costNano !== undefined && !isCount(costNano))) return undefined;
  return { id, at, by, usage, priced: priced as Priced, ...(costNano !== undefined && { costNano }) };
}

const USAGE_COUNTS = ["input", "output", "cacheRead", "cacheWrite", "cacheWrite1h", "reasoning", "webSearches"];

function isUsage(value: unknown): value is Usage {
  const usage = object(value);
  return usage !== undefined && USAGE_COUNTS.every((name) => isCount(usage[name]));
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
