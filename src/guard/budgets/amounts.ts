import { MAX_CALL_NANO } from "../../core/figures.ts";
import type { Budget } from "../../limits/budget.ts";
import type { Forecast, Spent } from "../../limits/gate.ts";
import { type Count, ordinaryOf } from "./budget-counter.ts";

// What a call may use, and what it used, in the unit of a budget.

/** What one call holds of one count. */
export interface Hold {
  count: Count;
  readonly amount: number;
}

/** How long a call may take where none has ended yet, in milliseconds. */
const FIRST_LASTS_MS = 1_000;

/** What a call needs of each count. */
export function holdsOf(counts: readonly Count[], forecast: Forecast): readonly Hold[] {
  const holds: Hold[] = [];
  for (const count of counts) {
    const { unit } = count.budget;
    holds.push({ count, amount: unit === "seconds" ? lastingOf(count, forecast) : amountOf(unit, forecast) });
  }
  return holds;
}

/**
 * How long a call of a count may take, in milliseconds: as long as its calls typically did, and no longer than an unspent
 * budget allows, so that it lets at least one pass.
 */
export function lastingOf(count: Count, { calls }: Pick<Forecast, "calls">): number {
  if (calls === 0) return 0;
  return Math.ceil(Math.min(count.lasting ?? FIRST_LASTS_MS, Math.max(1, ordinaryOf(count))));
}

/** Learns from a call how long those of a count take. */
export function learnLasting(count: Count, ms: number): void {
  count.lasting = count.lasting === undefined ? ms : (count.lasting * 7 + ms) / 8;
}

/** What counts as spent of one budget. An unknown price is not zero: then what was held counts. `ms`: how long it took. */
export function countedOf({ count, amount }: Hold, spent: Spent | undefined, ms: number): number {
  const { unit } = count.budget;
  if (unit === "seconds") return spent?.calls === 0 ? 0 : Math.max(0, Math.round(ms));
  const unpriced = unit === "usd" && spent?.costNano === undefined && spent?.tokens !== 0;
  return spent === undefined || unpriced ? amount : amountOf(unit, spent);
}

/** An amount in the unit of a budget; of one call, so that no figure spoils a sum. Seconds are counted as calls end. */
export function amountOf(unit: Budget["unit"], { tokens, costNano, calls }: Spent | Forecast): number {
  if (unit === "calls") return calls ?? 1;
  const amount = unit === "tokens" ? tokens : (costNano ?? 0);
  return amount <= MAX_CALL_NANO && amount >= 0 ? Math.round(amount) : 0;
}
