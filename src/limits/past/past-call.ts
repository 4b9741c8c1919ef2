import type { Period } from "../../core/period.ts";
import type { ScopeNode } from "../../core/scope.ts";
import type { Budget, BudgetUnit } from "../budget.ts";

/** A call that was made, or what a day's calls came to. */
export interface PastCall {
  /** When it began, in milliseconds since the epoch; of a day, its start. */
  readonly at: number;
  readonly node: ScopeNode;
  /** A day's total: it can be stopped in part, and says nothing about runs and hours. */
  readonly isDay: boolean;
  /** It ended as its caller meant it to. */
  readonly completed: boolean;
  /** Nano-USD; 0 where no price is known. */
  readonly usd: number;
  readonly tokens: number;
  readonly calls: number;
  /** How long it took, in milliseconds; 0 for a day, of which it is not known. */
  readonly seconds: number;
}

/** What a run came to, where the store counted it and no single call is known. In the integers of the budget's unit. */
export interface PastRun {
  readonly budget: Budget;
  readonly scope: string;
  readonly run: string;
  readonly spent: number;
}

const DAY_MS = 86_400_000;
/** A moving window of so many days has parts of a day or more. */
const DAYS_OF_PARTS = 10;

/**
 * Whether a window can be tried on a call: runs need their name, windows below a day the time of each call, and seconds how
 * long it took.
 */
export function isKnownIn(
  { per, unit = "usd" }: { readonly per: Period; readonly unit?: BudgetUnit },
  { isDay, node }: PastCall,
): boolean {
  if (unit === "seconds" && isDay) return false;
  if (per.kind === "run") return !isDay && node.scope.run !== undefined;
  if (!isDay) return true;
  return per.kind === "moving" ? per.ms >= DAYS_OF_PARTS * DAY_MS : per.kind !== "hour";
}

export function amountIn(unit: BudgetUnit, call: PastCall): number {
  return call[unit];
}

/** By time, and among equals by agent: the order of the input does not matter. */
export function inOrder(calls: readonly PastCall[]): readonly PastCall[] {
  return [...calls].sort((a, b) => a.at - b.at || (nameOf(a) < nameOf(b) ? -1 : 1));
}

function nameOf({ node }: PastCall): string {
  return node.accounts.join("|");
}
