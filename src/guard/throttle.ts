import type { Ask } from "../limits/gate.ts";
import type { Throttle } from "../limits/ladder.ts";
import { joinKey } from "../limits/scope-text.ts";
import { type Count, isOver, shareOf } from "./budgets/budget-counter.ts";
import { type Budgets, countsOf } from "./budgets/budgets.ts";
import { isFinalising } from "./finalise.ts";
import type { GuardState } from "./guard-state.ts";
import type { Cause } from "./waiting.ts";

/** A call's place in the throttles that apply to it, taken before the store is asked. */
export interface Turn {
  readonly counts: readonly Count[];
  /** When the call before it was let go, of each count. */
  readonly before: readonly number[];
}

export const NO_TURN: Turn = { counts: [], before: [] };

/**
 * Takes a call's turn of each throttle that applies to it, or says what it has to wait for. Calls inside `finalise()` are
 * not slowed down. In shadow mode nobody waits; what would have been done is said.
 */
export function takeTurn(guard: GuardState, ask: Ask, counts: readonly Count[], now: number): Turn | Cause {
  if (isFinalising()) return NO_TURN;
  let slowed: Count[] | undefined;
  for (const count of counts) {
    const throttle = throttleOf(count, now);
    if (throttle === undefined) continue;
    notify(guard, ask, count, throttle);
    if (guard.options.mode === "shadow") continue;
    const until = heldUntil(count, throttle, now);
    if (until !== undefined) return causeOf(guard.budgets, count, until);
    slowed ??= [];
    slowed.push(count);
  }
  return slowed === undefined ? NO_TURN : begin(slowed, now);
}

export function isTurn(one: Turn | Cause): one is Turn {
  return "counts" in one;
}

function begin(counts: readonly Count[], now: number): Turn {
  const before = counts.map(({ pacedAt }) => pacedAt);
  for (const count of counts) {
    count.pacedAt = now;
    count.open += 1;
  }
  return { counts, before };
}

/** A call that passes is counted by its reservation; one that does not gives its turn to the next. */
export function endTurn({ counts, before }: Turn, passes: boolean): void {
  for (const [index, count] of counts.entries()) {
    count.open -= 1;
    if (!passes) count.pacedAt = before[index] as number;
  }
}

function throttleOf(count: Count, now: number): Throttle | undefined {
  const throttle = count.budget.ladder?.throttle;
  if (throttle === undefined || isOver(count, now)) return undefined;
  return shareOf(count, now) >= throttle.at ? throttle : undefined;
}

/** When the next call may go, in milliseconds since the epoch; infinite where one has to end first; undefined: now. */
function heldUntil({ open, pacedAt }: Count, { everyMs = 0, atOnce }: Throttle, now: number): number | undefined {
  if (atOnce !== undefined && open >= atOnce) return Number.POSITIVE_INFINITY;
  const since = now - pacedAt;
  // The clock may have been set back since.
  return since >= 0 && since < everyMs ? pacedAt + everyMs : undefined;
}

function causeOf(budgets: Budgets, { budget, scope, run }: Count, until: number): Cause {
  return {
    key: `throttle ${joinKey(budget.id, scope, run)}`,
    // Given only to calls that wait when the guard is closed.
    blocked: { reason: "budget", scope, budget: budget.name, why: "the process ended while the call waited its turn" },
    until,
    throttle: budget.name,
    applies: (node) =>
      countsOf(budgets, node).some((one) => one.budget.id === budget.id && one.scope === scope && one.run === run),
  };
}

function notify({ notify: say, options }: GuardState, ask: Ask, { budget, scope }: Count, throttle: Throttle): void {
  const { everyMs, atOnce } = throttle;
  const limits = [
    ...(everyMs === undefined ? [] : [`one every ${everyMs} ms`]),
    ...(atOnce === undefined ? [] : [`${atOnce} at once`]),
  ].join(", ");
  const verb = options.mode === "shadow" ? "would be" : "are";
  say(
    `throttle ${scope} ${budget.name}`,
    `budget "${budget.name}": calls of ${ask.node.scope.agent} ${verb} slowed down (${limits})`,
  );
}
