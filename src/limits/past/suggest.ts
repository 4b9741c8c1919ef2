import { type Period, spanAt } from "../../core/period.ts";
import { type BudgetDimension, membersOf } from "../budget.ts";
import { joinKey } from "../scope-text.ts";
import { isKnownIn, type PastCall } from "./past-call.ts";

/** A cap, and what it would stop. */
export interface Suggestion {
  /** The percentile of what was spent, from 0 to 100. */
  readonly percentile: number;
  /** Nano-USD: the percentile, rounded up to two digits. */
  readonly cap: number;
  /** Runs or windows that came to more than the cap. */
  readonly stopped: number;
}

/** What one scope spent, run by run or window by window, and caps for it. */
export interface Suggestions {
  readonly scope: string;
  /** Runs or windows with any spend. */
  readonly samples: number;
  /** Nano-USD. */
  readonly median: number;
  readonly most: number;
  readonly caps: readonly Suggestion[];
}

export const PERCENTILES: readonly number[] = [90, 95, 99];

/** Nano-USD that each scope of one kind spent, by run or window. Those that spent nothing are left out. */
export function spendPerWindow(
  calls: readonly PastCall[],
  by: BudgetDimension,
  per: Period,
): ReadonlyMap<string, readonly number[]> {
  const sums = new Map<string, { readonly scope: string; nano: number }>();
  for (const call of calls) {
    if (!isKnownIn({ per }, call)) continue;
    for (const scope of membersOf(call.node, by)) {
      const key = joinKey(scope, windowOf(per, call));
      const found = sums.get(key);
      if (found === undefined) sums.set(key, { scope, nano: call.usd });
      else found.nano += call.usd;
    }
  }
  const spent = [...sums.values()].filter(({ nano }) => nano > 0);
  return new Map(
    [...Map.groupBy(spent, ({ scope }) => scope)].map(([scope, some]) => [scope, some.map(({ nano }) => nano)]),
  );
}

/** Moving windows are taken one after the other. */
function windowOf(per: Period, { at, node }: PastCall): string {
  return per.kind === "moving" ? `${Math.floor(at / per.ms)}` : spanAt(per, at, node.scope.run ?? "").current;
}

/** Caps at the percentiles of what each scope spent: the dearest scopes first. */
export function suggest(
  spent: ReadonlyMap<string, readonly number[]>,
  percentiles: readonly number[] = PERCENTILES,
): readonly Suggestions[] {
  const all = [...spent].map(([scope, amounts]): Suggestions => {
    const sorted = [...amounts].sort((a, b) => a - b);
    const caps = percentiles.map((percentile) => {
      const cap = roundUp(percentileOf(sorted, percentile));
      return { percentile, cap, stopped: sorted.filter((amount) => amount > cap).length };
    });
    return { scope, samples: sorted.length, median: percentileOf(sorted, 50), most: sorted.at(-1) ?? 0, caps };
  });
  return all.sort((a, b) => b.most - a.most || (a.scope < b.scope ? -1 : 1));
}

/** By the nearest rank: the smallest amount that at least so many percent do not pass. */
export function percentileOf(sorted: readonly number[], percentile: number): number {
  const rank = Math.ceil((percentile / 100) * sorted.length);
  return sorted[Math.max(0, Math.min(sorted.length, rank) - 1)] ?? 0;
}

/** To two digits, such as 1.23 to 1.3. */
function roundUp(nano: number): number {
  if (nano <= 0) return 0;
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(nano)) - 1);
  return Math.ceil(nano / unit) * unit;
}
