import type { Circuit } from "../limits/circuit.ts";
import type { Blocked } from "./blocked.ts";
import { type Count, capOf, totalOf } from "./budgets/budget-counter.ts";

/** A budget does not cover the call. */
export function blockedByBudget(count: Count): Blocked {
  const { budget, scope, span } = count;
  const spent = totalOf(count);
  const until = span.end === undefined ? {} : { until: span.end };
  const facts = { reason: "budget", scope, budget: budget.name, ...until } as const;
  if (budget.unit !== "usd") return { ...facts, unit: budget.unit, spent, limit: capOf(count) };
  return { ...facts, spentUsd: spent / 1e9, limitUsd: capOf(count) / 1e9 };
}

export function blockedByCircuit(circuit: Circuit): Blocked {
  if (circuit.state === "closed") return { reason: "circuit", scope: circuit.scope };
  const { scope, source, until, reason } = circuit;
  return { reason: source === "vendor_cap" ? "vendor_cap" : "circuit", scope, source, until, why: reason };
}

/** The state could not be read in time, and `whenStateUnknown` is `closed`. `sources`: what did not answer. */
export function blockedUnknown(reason: "budget" | "circuit", scope: string, sources: string): Blocked {
  const why = `${sources} does not answer, and whenStateUnknown is "closed"`;
  return { reason, scope, why, unknown: "no answer" };
}

/** A fault of ours kept the call from being checked, and `whenStateUnknown` is `closed`. */
export function blockedUnchecked(): Blocked {
  const why = 'a fault in spendfuse kept it from being checked, and whenStateUnknown is "closed"';
  return { reason: "budget", scope: "all", why, unknown: "fault" };
}

export function blockedUnpriced({ budget, scope }: Count, model: string | undefined): Blocked {
  const why = `the price of ${model ?? "this model"} is not known, and a budget in USD applies (unpriced: refuse)`;
  return { reason: "budget", scope, budget: budget.name, why };
}
