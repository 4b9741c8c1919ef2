import type { SettledCall } from "../../../core/call.ts";

/** What the calls of one run have cost. */
export interface Spend {
  add(call: SettledCall): void;
  /** Calls that were metered, and those that were refused. */
  calls(): number;
  /** USD; undefined where the cost of a call is not known. */
  usd(): number | undefined;
  /** In one line, for people. */
  line(capUsd: number | undefined): string;
}

/** @param onUnpriced Called once a model, for a call that a cap in USD does not count. */
export function createSpend(onUnpriced: (model: string) => void = () => {}): Spend {
  const unpriced = new Set<string>();
  let calls = 0;
  let refused = 0;
  let unknown = 0;
  let estimated = 0;
  let usd = 0;
  let planUsd = 0;
  return {
    add({ ending, costUsd, quality, priced, usage, model, unpricedParts = [] }) {
      if (ending === "blocked") refused += 1;
      else calls += 1;
      if (priced === "plan") planUsd += costUsd ?? 0;
      if (costUsd !== undefined) usd += costUsd;
      else if (usage !== undefined || (quality === "unknown" && (ending === "completed" || ending === "canceled")))
        unknown += 1;
      if (quality === "estimated") estimated += 1;
      const lacks =
        costUsd === undefined && usage !== undefined ? [model] : unpricedParts.map((part) => `${model} (${part})`);
      for (const name of lacks) {
        if (unpriced.has(name)) continue;
        unpriced.add(name);
        onUnpriced(name);
      }
    },
    calls: () => calls + refused,
    usd: () => (unknown > 0 ? undefined : usd),
    line(capUsd) {
      const cap = capUsd === undefined ? "" : ` of $${money(capUsd)}`;
      const parts = [`this run spent $${money(usd)}${cap} in ${count(calls, "call")}`];
      if (planUsd > 0) parts.push(`$${money(planUsd)} of it on a subscription, at list price`);
      if (estimated > 0) parts.push(`${count(estimated, "call")} estimated`);
      if (unknown > 0) parts.push(`the cost of ${count(unknown, "call")} is not known`);
      if (unpriced.size > 0) parts.push(`not priced: ${[...unpriced].join(", ")}`);
      if (refused > 0) parts.push(`${count(refused, "call")} refused`);
      return parts.join(", ");
    },
  };
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

function money(usd: number): string {
  return usd === 0 || usd >= 0.1 ? usd.toFixed(2) : usd.toFixed(4);
}
