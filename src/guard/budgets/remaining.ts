import { type Budget, UNIT_SCALES } from "../../limits/budget.ts";
import { within } from "../../stores/store.ts";
import { type Count, capOf, isOver, ordinaryOf, totalOf } from "./budget-counter.ts";
import { exchange, roll } from "./budget-lease.ts";
import type { Budgets } from "./budgets.ts";
import { lastingOf } from "./budgets.ts";

/** What is left of one budget that applies to a scope. Amounts are in USD, tokens, calls or seconds, as `unit` says. */
export interface Remaining {
  readonly budget: string;
  readonly scope: string;
  readonly unit: Budget["unit"];
  /**
   * What a call would get now: less what calls under way have reserved, here and in other processes. 0 seconds where the
   * rest is too short for a typical call.
   */
  readonly left: number;
  /** The cap in force; without the part for `finalise()`, outside of it. */
  readonly cap: number;
  /** What the cap keeps for calls inside `finalise()`; absent inside of it, and where it keeps nothing. */
  readonly kept?: number;
  /** The agent is inside `finalise()`: it has what was kept for its end, and should come to it. */
  readonly finalising?: true;
  /** When the window ends, in milliseconds since the epoch; absent for a run, and for a window that moves. */
  readonly until?: number;
}

/**
 * Asks the store how the counts stand, and returns what is left of each, the least share of its cap first. Where the store
 * does not answer in time, what this process knows is returned. Never rejects.
 */
export async function remainingOf(
  budgets: Budgets,
  counts: readonly Count[],
  finalising: boolean,
  onFailure: (error: unknown) => void,
): Promise<readonly Remaining[]> {
  const { lease, clock } = budgets;
  for (const count of counts) if (isOver(count, clock())) roll(lease, count, clock());
  try {
    if (counts.length > 0)
      await within(Promise.resolve(exchange(lease, counts, { tight: false, finalising })), lease.timeoutMs);
  } catch (error) {
    onFailure(error);
  }
  return counts.map((count) => rowOf(budgets, count, finalising)).sort((a, b) => shareOf(a) - shareOf(b));
}

/** The least that is left of budgets in USD, without asking the store; undefined where there is none. */
export function leftUsdOf(budgets: Budgets, counts: readonly Count[], finalising: boolean): number | undefined {
  const { lease, clock } = budgets;
  for (const count of counts) if (isOver(count, clock())) roll(lease, count, clock());
  const left = counts.flatMap((count) => (count.budget.unit === "usd" ? [rowOf(budgets, count, finalising).left] : []));
  return left.length === 0 ? undefined : Math.min(...left);
}

function shareOf({ left, cap }: Remaining): number {
  return cap > 0 ? left / cap : 0;
}

function rowOf({ passesUnknown }: Budgets, count: Count, finalising: boolean): Remaining {
  const { budget, scope, inUse, busy, idle, doubt, end } = count;
  const cap = finalising ? capOf(count) : ordinaryOf(count);
  const kept = capOf(count) - ordinaryOf(count);
  // What others hold idle is not counted: they may use it before it is recalled.
  const rest = doubt !== undefined && passesUnknown !== true ? 0 : cap - totalOf(count) - inUse - busy - idle;
  const left = budget.unit === "seconds" && rest < lastingOf(count, {}) ? 0 : rest;
  const scale = UNIT_SCALES[budget.unit];
  const ends = budget.per.kind !== "moving" && Number.isFinite(end);
  return {
    budget: budget.name,
    scope,
    unit: budget.unit,
    left: Math.max(0, left) / scale,
    cap: cap / scale,
    ...(kept > 0 && (finalising ? { finalising: true } : { kept: kept / scale })),
    ...(ends && { until: end }),
  };
}
