import type { Circuit } from "../limits/circuit.ts";
import { joinKey } from "../limits/scope-text.ts";
import type { Blocked } from "./blocked.ts";
import type { Count } from "./budgets/budget-counter.ts";
import { type Budgets, countsOf } from "./budgets/budgets.ts";
import { covers } from "./circuits/circuit-cache.ts";
import type { Cause } from "./waiting.ts";

/** A spent budget, for which calls may wait. */
export function spentCause(budgets: Budgets, { budget, scope, run, span }: Count, blocked: Blocked): Cause {
  return {
    key: `budget ${joinKey(budget.id, scope, run)}`,
    blocked,
    until: span.end,
    applies: (node) =>
      countsOf(budgets, node).some((one) => one.budget.id === budget.id && one.scope === scope && one.run === run),
  };
}

/** A scope that an operator has paused, for which calls may wait; undefined for circuits that something else opened. */
export function pausedCause(circuit: Circuit, blocked: Blocked): Cause | undefined {
  if (circuit.state === "closed" || circuit.source !== "operator") return undefined;
  const { scope, until } = circuit;
  return { key: `circuit ${scope}`, blocked, until, applies: (node) => covers(circuit, node) };
}
