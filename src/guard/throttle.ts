import type { Ask } from "../limits/gate.ts";
import type { Throttle } from "../limits/ladder.ts";
import { joinKey } from "../limits/scope-text.ts";
import { within } from "../stores/store.ts";
import { type Count, isOver, shareOf } from "./budgets/budget-counter.ts";
import { type Budgets, countsOf } from "./budgets/budgets.ts";
import { isFinalising } from "./finalise.ts";
import { type GuardState, reportStoreFailure } from "./guard-state.ts";
import type { Cause } from "./waiting.ts";

/** A call's place in the throttles that apply to it, taken before its budgets are. */
export interface Turn {
  readonly counts: readonly Count[];
  /** When the call before it was let go, of each count. */
  readonly before: readonly number[];
  /** Its turns among all processes, by count. */
  readonly shared?: readonly Count["turn"][];
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

/** A call is in line before the store is asked for its turn: those that come meanwhile are behind it. */
export function mustQueue(
  { lease, waiting, budgets }: GuardState,
  ask: Ask,
  turn: Turn,
  now: number,
): Cause | undefined {
  if (lease.alone || waiting === undefined || waiting.has(ask)) return undefined;
  const count = turn.counts.find((one) => everyOf(one) !== undefined);
  return count && { ...causeOf(budgets, count, now), asks: true };
}

/**
 * Takes a call's turn among all processes, where its throttles have a least time between calls; or says what it has to wait
 * for. A turn belongs to the first call in line, whichever that is once it is due. Where the store does not answer in time,
 * what this process knows decides. Never rejects.
 */
export async function shareTurn(guard: GuardState, turn: Turn): Promise<Turn | Cause> {
  for (const count of turn.counts) {
    const everyMs = everyOf(count);
    if (everyMs === undefined) continue;
    const until = isDue(count, everyMs, guard.clock()) ? undefined : await takeShared(guard, count, everyMs);
    if (until === undefined) continue;
    endTurn(turn, false);
    return causeOf(guard.budgets, count, until);
  }
  const shared = turn.counts.map((count) => count.turn);
  for (const count of turn.counts) count.turn = undefined;
  return { ...turn, shared };
}

/** When the turn is due of which a count takes one; undefined: now, or it cannot be known. */
async function takeShared(guard: GuardState, count: Count, everyMs: number): Promise<number | undefined> {
  const { options, lease, clock, notify } = guard;
  const now = clock();
  const { turn } = count;
  if (turn !== undefined && turn.due > now && turn.due - now <= turn.waitMs) return turn.due;
  try {
    const asked = options.store.takeTurn({ key: paceKeyOf(count), everyMs });
    const waitMs = await within(Promise.resolve(asked), lease.timeoutMs);
    count.turn = { waitMs, due: clock() + waitMs };
    return waitMs > 0 ? count.turn.due : undefined;
  } catch (error) {
    reportStoreFailure(notify, error);
    return undefined;
  }
}

/** Whether a turn may be used: one that nobody used in half the time to the next is lost, so that two calls keep their distance. */
function isDue({ turn }: Count, everyMs: number, now: number): boolean {
  return turn !== undefined && now >= turn.due && now - turn.due < everyMs / 2;
}

function everyOf({ budget }: Count): number | undefined {
  return budget.ladder?.throttle?.everyMs;
}

function paceKeyOf({ budget, scope, run }: Count): string {
  return joinKey(budget.id, scope, run);
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
export function endTurn({ counts, before, shared }: Turn, passes: boolean): void {
  for (const [index, count] of counts.entries()) {
    count.open -= 1;
    if (passes) continue;
    count.pacedAt = before[index] as number;
    count.turn ??= shared?.[index];
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

function causeOf(budgets: Budgets, count: Count, until: number): Cause {
  const { budget, scope, run } = count;
  return {
    key: `throttle ${paceKeyOf(count)}`,
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
