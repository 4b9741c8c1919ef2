import { periodName } from "../core/period.ts";
import { UNIT_SCALES } from "../limits/budget.ts";
import type { Circuit } from "../limits/circuit.ts";
import type { Blocked } from "./blocked.ts";
import { type Count, capOf, ordinaryOf, totalOf } from "./budgets/budget-counter.ts";

/**
 * A budget does not cover a call.
 * @param need What the call may use, in the unit of the budget; undefined where a stream is cut.
 */
export function blockedByBudget(count: Count, need?: number, finalising = false): Blocked {
  const { budget, scope, span, inUse, busy, idle } = count;
  const spent = totalOf(count);
  const limit = capOf(count);
  const held = inUse + busy + idle;
  const kept = finalising ? 0 : limit - ordinaryOf(count);
  const facts = {
    reason: "budget",
    scope,
    budget: budget.name,
    per: periodName(budget.per),
    ...(budget.per.kind === "run" && { run: count.run }),
    ...(span.end !== undefined && { until: span.end }),
  } as const;
  if (budget.unit !== "usd") {
    const scale = UNIT_SCALES[budget.unit];
    const amounts = {
      spent: spent / scale,
      limit: limit / scale,
      ...(need !== undefined && { need: need / scale }),
      held: held / scale,
      ...(kept > 0 && { kept: kept / scale }),
    };
    return { ...facts, unit: budget.unit, ...amounts };
  }
  return {
    ...facts,
    spentUsd: spent / 1e9,
    limitUsd: limit / 1e9,
    ...(need !== undefined && { needUsd: need / 1e9 }),
    heldUsd: held / 1e9,
    ...(kept > 0 && { keptUsd: kept / 1e9 }),
  };
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
