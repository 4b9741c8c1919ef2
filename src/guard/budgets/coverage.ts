import { setTimeout } from "node:timers";
import { within } from "../../stores/store.ts";
import { type Count, capOf, isOver, ordinaryOf, totalOf } from "./budget-counter.ts";
import { type BudgetLease, exchange, roll, touch } from "./budget-lease.ts";
import type { Budgets, Hold } from "./budgets.ts";

/** A budget does not cover a call. */
export interface Shortage {
  readonly type: "short";
  readonly hold: Hold;
}

/** The store did not answer in time whether a call is covered. */
export interface Unknown {
  readonly type: "unknown";
  readonly hold: Hold;
  readonly error: unknown;
}

export type Taken = "taken" | Shortage | Unknown;

/** Reserves all holds or none. Answers synchronously where slices suffice or the store does. */
export function takeHolds(
  budgets: Budgets,
  holds: readonly Hold[],
  finalising: boolean,
  now: number,
): Taken | Promise<Taken> {
  let covered = true;
  for (const hold of holds) covered = covered && covers(budgets, hold, finalising, now);
  if (!covered) {
    return ask(budgets, { holds, finalising, begun: now, deadline: now + recallMs(budgets), attempt: 0 });
  }
  reserve(budgets, holds, now);
  return "taken";
}

/** How soon a call asks again that waits for a store which is told again what it lost. */
const RETRY_MS = 50;
/** Round trips that recalls may take: to ask for it, to give back, to ask again, and that for each of several holders. */
const RECALL_TRIPS = 12;

function recallMs({ recallMs: least, lease }: Budgets): number {
  return Math.max(least, lease.tookMs * RECALL_TRIPS);
}

function covers({ lease }: Budgets, { count, amount }: Hold, finalising: boolean, now: number): boolean {
  const { budget } = count;
  if (isOver(count, now)) roll(lease, count, now);
  if (count.inUse + amount > count.slice || !(lease.alone || isLeased(lease, count, now))) return false;
  // The slice may have been granted for finalisation; ordinary calls must not use the rest of it.
  return finalising || budget.ordinary === budget.cap || totalOf(count) + count.inUse + amount <= ordinaryOf(count);
}

/** A clock that was set back makes no lease longer. */
function isLeased({ leaseMs }: BudgetLease, { leasedUntil }: Count, now: number): boolean {
  return now < leasedUntil && leasedUntil - now <= leaseMs;
}

/**
 * The first budget that does not cover a call as far as this process knows: by its own spend, what others had spent and
 * under way at the store's last answer, and its own calls under way.
 */
export function findShortage(
  budgets: Budgets,
  holds: readonly Hold[],
  finalising: boolean,
  now: number,
): Hold | undefined {
  return holds.find(({ count, amount }) => {
    if (isOver(count, now)) roll(budgets.lease, count, now);
    const { inUse, busy } = count;
    return totalOf(count) + busy + inUse + amount > (finalising ? capOf(count) : ordinaryOf(count));
  });
}

function reserve({ lease }: Budgets, holds: readonly Hold[], now: number): void {
  for (const { count, amount } of holds) {
    count.inUse += amount;
    count.open += 1;
    count.usedAt = now;
    count.typical = (count.typical * 7 + amount) / 8;
    if (!lease.alone) touch(lease, count);
  }
}

/** A call that waits for the store. */
interface WaitingCall {
  readonly holds: readonly Hold[];
  readonly finalising: boolean;
  /** When it began to ask, and when to stop asking, in milliseconds since the epoch. */
  readonly begun: number;
  readonly deadline: number;
  readonly attempt: number;
}

/** Asks the store for what is missing, and again until the deadline while other processes hold some of it idle. */
function ask(budgets: Budgets, call: WaitingCall): Taken | Promise<Taken> {
  const { holds, finalising, attempt } = call;
  for (const { count, amount } of holds) {
    count.need += amount;
    count.typical = Math.max(count.typical, amount);
  }
  const counts = holds.map(({ count }) => count);
  try {
    const answer = exchange(budgets.lease, counts, { tight: attempt > 0, finalising });
    if (answer === undefined) return decide(budgets, call);
    if (budgets.lease.silent && budgets.passesUnknown) {
      answer.catch(noop);
      return giveUp(holds, new Error("no answer yet"));
    }
    return inTime(budgets.lease, answer).then(
      () => decide(budgets, call),
      (error) => giveUp(holds, error),
    );
  } catch (error) {
    return giveUp(holds, error);
  }
}

/** Waits for an exchange; one that comes later is applied all the same. */
async function inTime(lease: BudgetLease, answer: Promise<void>): Promise<void> {
  let late = true;
  const answered = answer.finally(() => {
    late = false;
  });
  try {
    await within(answered, lease.timeoutMs);
  } catch (error) {
    if (late) lease.silent = true;
    answered.catch(noop);
    throw error;
  }
}

function noop(): void {}

function giveUp(holds: readonly Hold[], error: unknown): Unknown {
  dropNeed(holds);
  return { type: "unknown", hold: holds[0] as Hold, error };
}

function dropNeed(holds: readonly Hold[]): void {
  for (const { count, amount } of holds) count.need -= amount;
}

/** Reserves what the store granted; what is still short is recalled from other processes, if they hold it idle. */
function decide(budgets: Budgets, call: WaitingCall): Taken | Promise<Taken> {
  const { holds, finalising, deadline, attempt } = call;
  dropNeed(holds);
  const now = budgets.clock();
  const short = holds.filter((hold) => !covers(budgets, hold, finalising, now));
  if (short.length === 0) {
    reserve(budgets, holds, now);
    return "taken";
  }
  // The store counts what it granted as in use; the next report says that it is not.
  for (const hold of holds) if (!short.includes(hold)) touch(budgets.lease, hold.count);
  const doubtful = short.find(({ count }) => count.doubt !== undefined);
  if (doubtful) return decideInDoubt(budgets, call, doubtful, now);
  const final = short.find(({ count, amount }) => count.idle === 0 || amount > capOf(count));
  if (final || now >= deadline) return { type: "short", hold: final ?? (short[0] as Hold) };
  for (const { count } of short) budgets.recall(count);
  return wait(Math.min(2 ** attempt, 16)).then(() => ask(budgets, { ...call, attempt: attempt + 1 }));
}

const DOUBTS = {
  broken: "the store cannot read what it keeps of it",
  lost: "the store has lost what it kept of it, and is told again",
} as const;

/** Waits for a store that is being told again what it lost; that takes a second. */
function decideInDoubt(budgets: Budgets, call: WaitingCall, hold: Hold, now: number): Unknown | Promise<Taken> {
  const doubt = hold.count.doubt ?? "broken";
  const waits = doubt === "lost" && now < call.begun + budgets.lease.timeoutMs;
  if (waits) return wait(RETRY_MS).then(() => ask(budgets, call));
  return { type: "unknown", hold, error: new Error(DOUBTS[doubt]) };
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}

/** Reserves without checking that it is covered. */
export function forceHolds(budgets: Budgets, holds: readonly Hold[]): void {
  reserve(budgets, holds, budgets.clock());
}
