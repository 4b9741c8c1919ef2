import { spanAt } from "../../core/period.ts";
import type { Answer } from "../../http/exchange.ts";
import { type Budget, isScopeOf } from "../../limits/budget.ts";
import { joinKey, readKeyPart } from "../../limits/scope-text.ts";
import type { Count } from "../../stores/store.ts";
import { fault } from "../answer.ts";

/** A count that can be changed: what the store has of it, and where. */
export interface Target {
  readonly budget: Budget;
  readonly scope: string;
  readonly run: string;
  readonly spent: number;
  readonly inUse: number;
  readonly raised: number;
}

/** What the store counts now, by budget, scope and run. The parts of a moving window are summed. */
export function targetsIn(budgets: readonly Budget[], counts: readonly Count[], now: number): readonly Target[] {
  const countOfKey = new Map(counts.map((count) => [count.key, count]));
  return budgets.flatMap((budget) => {
    const start = `${joinKey(budget.id)}|`;
    const named = counts.filter(({ key }) => key.startsWith(start)).map(({ key }) => key.slice(start.length));
    const places = new Map(named.map((rest) => placeOf(budget, rest)).map((place) => [place.join("|"), place]));
    return [...places.values()].flatMap(([scope, run]) => {
      const { current, earlier } = spanAt(budget.per, now, run);
      const keys = [current, ...earlier].map((window) => `${start}${scope}|${window}`);
      const found = keys.flatMap((key) => countOfKey.get(key) ?? []);
      if (found.length === 0) return [];
      const spent = found.reduce((sum, one) => sum + one.spent, 0);
      const { inUse = 0, raised = 0 } = countOfKey.get(keys[0] as string) ?? {};
      return { budget, scope: readKeyPart(scope), run: readKeyPart(run), spent, inUse, raised };
    });
  });
}

/** Scope and run of a key, as they are written there. */
function placeOf({ per }: Budget, rest: string): readonly [scope: string, run: string] {
  const [scope = "", window = ""] = rest.split("|");
  return [scope, per.kind === "run" ? window : ""];
}

export function findTarget(
  budgets: readonly Budget[],
  targets: readonly Target[],
  order: Record<string, unknown>,
): Target | Answer {
  const { budget: name, scope, run } = order;
  const named = budgets.filter((budget) => budget.name === name || budget.id === name);
  const [budget] = named;
  if (budget === undefined) {
    const known = [...new Set(budgets.map((one) => `"${one.name}"`))].join(", ") || "none: give it the configuration";
    return fault(400, "unknown_budget", `"budget" must name a budget that is configured here: ${known}`);
  }
  if (named.length > 1) {
    const ids = named.map(({ id }) => `"${id}"`).join(", ");
    return fault(400, "unclear_budget", `several budgets have this name: use one of the ids ${ids}`);
  }
  const fitting = targets.filter(
    (one) =>
      one.budget === budget && (scope === undefined || one.scope === scope) && (run === undefined || one.run === run),
  );
  if (fitting.length === 1) return fitting[0] as Target;
  if (fitting.length > 1) {
    const some = fitting.slice(0, 5).map((one) => (one.run === "" ? one.scope : `${one.scope} in run ${one.run}`));
    return fault(400, "unclear_scope", `"scope" (and "run") must say which of ${fitting.length}: ${some.join("; ")}`);
  }
  const place = budget.scope.length === 0 ? "all" : scope;
  const isKnownRun = budget.per.kind !== "run" || (typeof run === "string" && run !== "");
  if (typeof place !== "string" || !isScopeOf(budget, place) || !isKnownRun) {
    const missing = isKnownRun ? '"scope" must be one that the budget applies to' : '"run" must name the run';
    return fault(400, "bad_scope", `nothing is counted there yet, and ${missing}`);
  }
  return { budget, scope: place, run: budget.per.kind === "run" ? String(run) : "", spent: 0, inUse: 0, raised: 0 };
}
