import { setTimeout as wait } from "node:timers/promises";
import { MAX_CALL_NANO } from "../../core/figures.ts";
import type { ScopeNode } from "../../core/scope.ts";
import { type Budget, scopesOf } from "../../limits/budget.ts";
import type { Forecast, Spent } from "../../limits/gate.ts";
import { within } from "../../stores/store.ts";
import { type Count, isOver, openCount, totalOf } from "./budget-counter.ts";
import { type BudgetLease, depart, exchange, roll, touch } from "./budget-lease.ts";

/** What one call holds of one count. */
export interface Hold {
  count: Count;
  readonly amount: number;
}

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

export interface BudgetsOptions {
  readonly budgets: readonly Budget[];
  readonly clock: () => number;
  /** The run of calls whose scope names none: the process itself. */
  readonly run: string;
  /** How long a call waits for slices to come back from other processes, in milliseconds. */
  readonly recallMs: number;
  /** Whether calls pass by what this process knows when the store does not answer: then only one waits in vain. */
  readonly passesUnknown?: boolean;
  readonly lease: BudgetLease;
  /** Asks other processes to release what they hold idle. */
  readonly recall: (count: Count) => void;
  readonly onWarning: (count: Count) => void;
  /** All of the cap is spent. */
  readonly onFull: (count: Count) => void;
}

/** The budgets of one process: which apply to a call, and whether they cover it. */
export interface Budgets extends BudgetsOptions {
  readonly counts: Iterable<Count>;
  readonly countOfKey: Map<string, Count>;
  /** Marks counts that are in `countOfKey`: a plan may still hold one that was dropped, which has no owner. */
  readonly owner: object;
}

/** Counts kept in memory; above this, those unused for longest are released to the store. */
const MAX_COUNTS = 150_000;
const NO_COUNTS: readonly Count[] = [];

export function createBudgets(options: BudgetsOptions): Budgets {
  const countOfKey = new Map<string, Count>();
  return { ...options, counts: { [Symbol.iterator]: () => countOfKey.values() }, countOfKey, owner: {} };
}

/** The counts of the budgets that apply to a scope. */
export function countsOf(budgets: Budgets, node: ScopeNode): readonly Count[] {
  const known = node.plan as readonly Count[] | undefined;
  if (known !== undefined && isCurrent(budgets, known)) return known;
  const found = budgets.budgets.flatMap((budget) =>
    scopesOf(budget, node).map((scope) => countFor(budgets, budget, scope, node)),
  );
  const plan = found.length === 0 ? NO_COUNTS : found;
  node.plan = plan;
  return plan;
}

function isCurrent({ owner }: Budgets, plan: readonly Count[]): boolean {
  if (plan === NO_COUNTS) return true;
  for (const count of plan) if (count.owner !== owner) return false;
  return plan.length > 0;
}

function countFor(budgets: Budgets, budget: Budget, scope: string, node: ScopeNode): Count {
  const { countOfKey, clock, owner } = budgets;
  const run = budget.per.kind === "run" ? (node.scope.run ?? budgets.run) : "";
  const key = run === "" ? `${budget.id}|${scope}` : `${budget.id}|${scope}|${run}`;
  let count = countOfKey.get(key);
  if (count === undefined) {
    if (countOfKey.size >= MAX_COUNTS) evictIdle(budgets);
    count = openCount(budget, scope, run, clock(), owner);
    countOfKey.set(key, count);
  }
  return count;
}

/** Drops the oldest tenth that is not in use. Counts in use stay, even above the limit. */
function evictIdle({ countOfKey, lease }: Budgets): void {
  let left = MAX_COUNTS / 10;
  for (const [key, count] of countOfKey) {
    if (count.inUse > 0) continue;
    depart(lease, count);
    count.owner = undefined;
    countOfKey.delete(key);
    left -= 1;
    if (left <= 0) return;
  }
}

/** What a call needs of each count. */
export function holdsOf(counts: readonly Count[], forecast: Forecast): readonly Hold[] {
  const holds: Hold[] = [];
  for (const count of counts) holds.push({ count, amount: amountOf(count.budget.unit, forecast) });
  return holds;
}

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
  return finalising || budget.ordinary === budget.cap || totalOf(count) + count.inUse + amount <= budget.ordinary;
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
    const { budget, inUse, busy } = count;
    return totalOf(count) + busy + inUse + amount > (finalising ? budget.cap : budget.ordinary);
  });
}

function reserve({ lease }: Budgets, holds: readonly Hold[], now: number): void {
  for (const { count, amount } of holds) {
    count.inUse += amount;
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
  const doubtful = short.find(({ count }) => count.doubt !== undefined);
  if (doubtful) return decideInDoubt(budgets, call, doubtful, now);
  const final = short.find(({ count, amount }) => count.idle === 0 || amount > count.budget.cap);
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

/** Reserves without checking that it is covered. */
export function forceHolds(budgets: Budgets, holds: readonly Hold[]): void {
  reserve(budgets, holds, budgets.clock());
}

/** Replaces what was held by `spent`, which is what the call used; undefined when unknown: then what was held counts. */
export function settleHolds(budgets: Budgets, holds: readonly Hold[], spent: Spent | undefined): void {
  const now = budgets.clock();
  for (const { count, amount } of holds) {
    const { unit } = count.budget;
    // An unknown price is not zero: then what was held counts.
    const unpriced = unit === "usd" && spent?.costNano === undefined && spent?.tokens !== 0;
    settleOne(budgets, count, amount, spent === undefined || unpriced ? amount : amountOf(unit, spent), now);
  }
}

/** Gives back what was held; nothing was spent. */
export function releaseHolds(budgets: Budgets, holds: readonly Hold[]): void {
  const now = budgets.clock();
  for (const { count, amount } of holds) settleOne(budgets, count, amount, 0, now);
}

/** Adds spend that was not held. */
export function charge(budgets: Budgets, node: ScopeNode, spent: Spent): void {
  const now = budgets.clock();
  for (const count of countsOf(budgets, node)) {
    const { unit } = count.budget;
    settleOne(budgets, count, 0, unit === "calls" ? 0 : amountOf(unit, spent), now);
  }
}

function settleOne(budgets: Budgets, count: Count, held: number, spent: number, now: number): void {
  const { lease } = budgets;
  if (isOver(count, now)) roll(lease, count, now);
  // What was held is given back; what was spent leaves the slice for good.
  count.inUse -= held;
  count.spent += spent;
  count.slice = Math.max(count.inUse, count.slice - spent);
  if (!lease.alone) touch(lease, count);
  const { warnAt, cap } = count.budget;
  const total = count.spent + count.elsewhere;
  if (total >= cap) budgets.onFull(count);
  if (warnAt === undefined || count.warned || total < warnAt) return;
  count.warned = true;
  budgets.onWarning(count);
}

/** An amount in the unit of a budget; of one call, so that no figure spoils a sum. */
function amountOf(unit: Budget["unit"], { tokens, costNano }: Spent | Forecast): number {
  if (unit === "calls") return 1;
  const amount = unit === "tokens" ? tokens : (costNano ?? 0);
  return amount <= MAX_CALL_NANO && amount >= 0 ? Math.round(amount) : 0;
}
