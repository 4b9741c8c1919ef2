import { setBounded } from "../../core/bounded-map.ts";
import { MAX_CALL_NANO } from "../../core/figures.ts";
import type { ScopeNode } from "../../core/scope.ts";
import { type Budget, scopesOf } from "../../limits/budget.ts";
import type { Forecast, Spent } from "../../limits/gate.ts";
import { joinKey } from "../../limits/scope-text.ts";
import { type Count, capOf, isOver, openCount, ordinaryOf, totalOf } from "./budget-counter.ts";
import { type BudgetLease, depart, roll, touch } from "./budget-lease.ts";

/** What one call holds of one count. */
export interface Hold {
  count: Count;
  readonly amount: number;
}

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
  /** A call gave back what it held. */
  onFreed?: (() => void) | undefined;
  /** All of the cap is spent. */
  readonly onFull: (count: Count) => void;
}

/** The budgets of one process: which apply to a call, and whether they cover it. */
export interface Budgets extends BudgetsOptions {
  budgets: readonly Budget[];
  /** Whether one of them counts seconds. */
  timed: boolean;
  /** Of `budgets`: plans of an earlier one are made again. */
  generation: number;
  readonly counts: Iterable<Count>;
  readonly countOfKey: Map<string, Count>;
  /** What was spent of counts that were dropped, for as long as the store does not answer. */
  readonly dropped: Map<string, Dropped>;
  /** Marks counts that are in `countOfKey`: a plan may still hold one that was dropped, which has no owner. */
  readonly owner: object;
}

/** The counts of one scope, which its node keeps. */
interface Plan {
  readonly generation: number;
  readonly counts: readonly Count[];
}

interface Dropped {
  readonly window: string;
  /** By all, as far as this process knew. */
  readonly spent: number;
}

const MAX_DROPPED = 50_000;
/** Counts kept in memory; above this, those unused for longest are released to the store. */
const MAX_COUNTS = 150_000;
const NO_COUNTS: readonly Count[] = [];

export function createBudgets(options: BudgetsOptions): Budgets {
  const countOfKey = new Map<string, Count>();
  return {
    ...options,
    timed: options.budgets.some(isTimed),
    generation: 0,
    counts: { [Symbol.iterator]: () => countOfKey.values() },
    countOfKey,
    dropped: new Map(),
    owner: {},
  };
}

export function isTimed({ unit }: Budget): boolean {
  return unit === "seconds";
}

/** The counts of the budgets that apply to a scope. */
export function countsOf(budgets: Budgets, node: ScopeNode): readonly Count[] {
  const known = node.plan as Plan | undefined;
  if (known !== undefined && isCurrent(budgets, known)) return known.counts;
  const found = budgets.budgets.flatMap((budget) =>
    scopesOf(budget, node).map((scope) => countFor(budgets, budget, scope, node)),
  );
  const counts = found.length === 0 ? NO_COUNTS : found;
  node.plan = { generation: budgets.generation, counts } satisfies Plan;
  return counts;
}

function isCurrent({ owner, generation }: Budgets, plan: Plan): boolean {
  if (plan.generation !== generation) return false;
  for (const count of plan.counts) if (count.owner !== owner) return false;
  return true;
}

function countFor(budgets: Budgets, budget: Budget, scope: string, node: ScopeNode): Count {
  const { countOfKey, clock, owner } = budgets;
  const run = budget.per.kind === "run" ? (node.scope.run ?? budgets.run) : "";
  const key = keyInMemory(budget, scope, run);
  let count = countOfKey.get(key);
  if (count === undefined) {
    if (countOfKey.size >= MAX_COUNTS) evictIdle(budgets);
    count = openCount(budget, scope, run, clock(), owner);
    countOfKey.set(key, count);
    const before = budgets.dropped.get(key);
    if (before?.window === count.span.current) count.elsewhere = before.spent;
    budgets.dropped.delete(key);
  }
  return count;
}

/** Drops the oldest tenth that is not in use. Counts in use stay, even above the limit. */
function evictIdle(budgets: Budgets): void {
  let left = MAX_COUNTS / 10;
  for (const count of budgets.countOfKey.values()) {
    if (count.inUse > 0) continue;
    dropCount(budgets, count);
    left -= 1;
    if (left <= 0) return;
  }
}

/** Forgets a count; its last report gives the store what it does not have yet. */
export function dropCount({ countOfKey, dropped, lease }: Budgets, count: Count): void {
  const key = keyInMemory(count.budget, count.scope, count.run);
  const spent = totalOf(count);
  if (spent > 0 && !lease.alone) setBounded(dropped, key, { window: count.span.current, spent }, MAX_DROPPED);
  depart(lease, count);
  count.owner = undefined;
  countOfKey.delete(key);
}

function keyInMemory({ id }: Budget, scope: string, run: string): string {
  return run === "" ? joinKey(id, scope) : joinKey(id, scope, run);
}

/** How long a call may take where none has ended yet, in milliseconds. */
const FIRST_LASTS_MS = 1_000;

/** What a call needs of each count. */
export function holdsOf(counts: readonly Count[], forecast: Forecast): readonly Hold[] {
  // Of its size from the start: a list that grows has room for seventeen.
  const holds = new Array<Hold>(counts.length);
  for (let index = 0; index < counts.length; index++) {
    const count = counts[index] as Count;
    const { unit } = count.budget;
    holds[index] = { count, amount: unit === "seconds" ? lastingOf(count, forecast) : amountOf(unit, forecast) };
  }
  return holds;
}

/**
 * How long a call of a count may take, in milliseconds: as long as its calls typically did, and no longer than an unspent
 * budget allows, so that it lets at least one pass.
 */
export function lastingOf(count: Count, { calls }: Pick<Forecast, "calls">): number {
  if (calls === 0) return 0;
  return Math.ceil(Math.min(count.lasting ?? FIRST_LASTS_MS, Math.max(1, ordinaryOf(count))));
}

/** Learns from a call how long those of a count take. */
function learnLasting(count: Count, ms: number): void {
  count.lasting = count.lasting === undefined ? ms : (count.lasting * 7 + ms) / 8;
}

/**
 * Replaces what was held by `spent`, which is what the call used; undefined when unknown: then what was held counts.
 * `ms`: how long it took. Returns the time.
 */
export function settleHolds(budgets: Budgets, holds: readonly Hold[], spent: Spent | undefined, ms = 0): number {
  const now = budgets.clock();
  for (const hold of holds) {
    const { count } = hold;
    if (count.budget.unit === "seconds") learnLasting(count, ms);
    count.open -= 1;
    settleOne(budgets, count, hold.amount, countedOf(hold, spent, ms), now);
  }
  return now;
}

/** What counts as spent of one budget. An unknown price is not zero: then what was held counts. `ms`: how long it took. */
function countedOf({ count, amount }: Hold, spent: Spent | undefined, ms: number): number {
  const { unit } = count.budget;
  if (unit === "seconds") return spent?.calls === 0 ? 0 : Math.max(0, Math.round(ms));
  const unpriced = unit === "usd" && spent?.costNano === undefined && spent?.tokens !== 0;
  return spent === undefined || unpriced ? amount : amountOf(unit, spent);
}

/**
 * Replaces what was counted of a call that settled at `settledAt` with `before`. A window that has ended stays as it is:
 * nothing is decided by it any more.
 */
export function correctHolds(
  budgets: Budgets,
  holds: readonly Hold[],
  before: Spent | undefined,
  after: Spent,
  settledAt: number,
): void {
  const now = budgets.clock();
  for (const hold of holds) {
    const { count } = hold;
    const isCurrent = count.owner === budgets.owner && !isOver(count, now) && !isOver(count, settledAt);
    if (!isCurrent) continue;
    // Never below zero: a report with a negative sum is refused.
    const change = Math.max(-count.spent, countedOf(hold, after, 0) - countedOf(hold, before, 0));
    if (change !== 0) settleOne(budgets, count, 0, change, now);
  }
}

/** Gives back what was held; nothing was spent. */
export function releaseHolds(budgets: Budgets, holds: readonly Hold[]): void {
  const now = budgets.clock();
  for (const { count, amount } of holds) {
    count.open -= 1;
    settleOne(budgets, count, amount, 0, now);
  }
}

/** Adds spend that was not held. */
export function charge(budgets: Budgets, node: ScopeNode, spent: Spent): void {
  const now = budgets.clock();
  for (const count of countsOf(budgets, node)) {
    const { unit } = count.budget;
    settleOne(budgets, count, 0, unit === "calls" || unit === "seconds" ? 0 : amountOf(unit, spent), now);
  }
}

function settleOne(budgets: Budgets, count: Count, held: number, spent: number, now: number): void {
  const { lease } = budgets;
  if (isOver(count, now)) roll(lease, count, now);
  // What was held is given back; what was spent leaves the slice for good.
  count.inUse -= held;
  count.spent += spent;
  // What a correction gives back is left in the store, which grants it again.
  count.slice = Math.max(count.inUse, spent > 0 ? count.slice - spent : count.slice);
  if (!lease.alone) touch(lease, count);
  const { warnAt } = count.budget;
  const total = count.spent + count.elsewhere;
  if (total >= count.budget.cap + count.raised) budgets.onFull(count);
  if (warnAt === undefined || count.warned || total < warnAt) return;
  // A warning is due at its share of the cap in force.
  if (count.raised !== 0 && total * count.budget.cap < warnAt * capOf(count)) return;
  count.warned = true;
  budgets.onWarning(count);
}

/** An amount in the unit of a budget; of one call, so that no figure spoils a sum. Seconds are counted as calls end. */
function amountOf(unit: Budget["unit"], { tokens, costNano, calls }: Spent | Forecast): number {
  if (unit === "calls") return calls ?? 1;
  const amount = unit === "tokens" ? tokens : (costNano ?? 0);
  return amount <= MAX_CALL_NANO && amount >= 0 ? Math.round(amount) : 0;
}
