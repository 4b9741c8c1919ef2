import { setTimeout as wait } from "node:timers/promises";
import type { ScopeNode } from "../../core/scope.ts";
import { type Budget, scopesOf } from "../../limits/budget.ts";
import type { Forecast, Spent } from "../../limits/gate.ts";
import { type Count, openCount, totalOf } from "./budget-counter.ts";
import type { Share } from "./budget-lease.ts";

/** What one call holds of one count. */
export interface Hold {
  count: Count;
  readonly amount: number;
}

/** Why a call cannot be covered. */
export interface Shortage {
  readonly type: "short";
  readonly hold: Hold;
}

/** The store did not say in time whether a call is covered. */
export interface Unknown {
  readonly type: "unknown";
  readonly hold: Hold;
  readonly error: unknown;
}

export type Taken = "taken" | Shortage | Unknown;

/** The budgets of one process: which apply to a call, and whether they cover it. */
export interface Budgets {
  /** The counts of the budgets that apply to a scope. */
  countsOf(node: ScopeNode): readonly Count[];
  /** What a call needs of each of them. */
  holdsOf(counts: readonly Count[], forecast: Forecast): readonly Hold[];
  /** Reserves all or nothing. At once where slices suffice or the store answers at once. */
  take(holds: readonly Hold[], finalising: boolean, now: number): Taken | Promise<Taken>;
  /** Reserves without asking whether it is covered. */
  force(holds: readonly Hold[]): void;
  /** Replaces what was held by what was spent; undefined counts as what was held. */
  settle(holds: readonly Hold[], spent: Spent | undefined): void;
  /** Gives back what was held, with nothing spent so far. */
  release(holds: readonly Hold[]): void;
  charge(node: ScopeNode, spent: Spent): void;
  readonly counts: Iterable<Count>;
}

export interface BudgetsOptions {
  readonly budgets: readonly Budget[];
  readonly clock: () => number;
  /** The run of calls that say none: the process itself. */
  readonly run: string;
  /** How long a call waits for slices to come back from other processes, in milliseconds. */
  readonly recallMs: number;
  readonly share: Share;
  readonly recall: (count: Count) => void;
  readonly onWarning: (count: Count) => void;
  /** All of the cap is spent. */
  readonly onFull: (count: Count) => void;
}

/** Counts kept in memory; of more, those that were not used for the longest are given back to the store. */
const MAX_COUNTS = 150_000;

export function createBudgets(options: BudgetsOptions): Budgets {
  const { budgets, clock, share } = options;
  const counts = new Map<string, Count>();
  /** Counts that were dropped from memory have no owner: plans made before may hold them. */
  const owner = {};
  const none: readonly Count[] = [];

  function countFor(budget: Budget, scope: string, node: ScopeNode): Count {
    const run = budget.per.kind === "run" ? (node.scope.run ?? options.run) : "";
    const key = run === "" ? `${budget.id}|${scope}` : `${budget.id}|${scope}|${run}`;
    let count = counts.get(key);
    if (count === undefined) {
      if (counts.size >= MAX_COUNTS) forgetIdle();
      count = openCount(budget, scope, run, clock(), owner);
      counts.set(key, count);
    }
    return count;
  }

  /** Those in use stay, even if they are too many. */
  function forgetIdle(): void {
    let left = MAX_COUNTS / 10;
    for (const [key, count] of counts) {
      if (count.inUse > 0) continue;
      share.depart(count);
      count.owner = undefined;
      counts.delete(key);
      left -= 1;
      if (left <= 0) return;
    }
  }

  function countsOf(node: ScopeNode): readonly Count[] {
    const known = node.plan as readonly Count[] | undefined;
    if (known !== undefined && isCurrent(known)) return known;
    const found = budgets.flatMap((budget) => scopesOf(budget, node).map((scope) => countFor(budget, scope, node)));
    node.plan = found.length === 0 ? none : found;
    return node.plan as readonly Count[];
  }

  function isCurrent(plan: readonly Count[]): boolean {
    if (plan === none) return true;
    for (const count of plan) if (count.owner !== owner) return false;
    return plan.length > 0;
  }

  function covers({ count, amount }: Hold, finalising: boolean, now: number): boolean {
    const { budget } = count;
    if (now >= count.end) share.roll(count, now);
    if (count.inUse + amount > count.slice || !(share.alone || now < count.leasedUntil)) return false;
    // The slice may have been granted to a call that finalised; what it left over is not for others.
    return finalising || budget.ordinary === budget.cap || totalOf(count) + count.inUse + amount <= budget.ordinary;
  }

  function reserve(holds: readonly Hold[], now: number): void {
    for (const { count, amount } of holds) {
      count.inUse += amount;
      count.usedAt = now;
      count.typical = (count.typical * 7 + amount) / 8;
      if (!share.alone) share.touch(count);
    }
  }

  function take(holds: readonly Hold[], finalising: boolean, now: number): Taken | Promise<Taken> {
    let covered = true;
    for (const hold of holds) covered = covered && covers(hold, finalising, now);
    if (covered) {
      reserve(holds, now);
      return "taken";
    }
    return ask(holds, finalising, now + options.recallMs, 0);
  }

  /** Asks the store for what is missing, again and again while other processes hold something idle. */
  function ask(holds: readonly Hold[], finalising: boolean, deadline: number, attempt: number): Taken | Promise<Taken> {
    for (const { count, amount } of holds) {
      count.need += amount;
      count.typical = Math.max(count.typical, amount);
    }
    const answered = (): void => {
      for (const { count, amount } of holds) count.need -= amount;
    };
    const failed = (error: unknown): Taken => {
      answered();
      return { type: "unknown", hold: holds[0] as Hold, error };
    };
    const decide = (): Taken | Promise<Taken> => {
      answered();
      const now = clock();
      const short = holds.filter((hold) => !covers(hold, finalising, now));
      if (short.length === 0) {
        reserve(holds, now);
        return "taken";
      }
      const final = short.find(({ count, amount }) => count.idle === 0 || amount > count.budget.cap);
      if (final || now >= deadline) return { type: "short", hold: final ?? (short[0] as Hold) };
      for (const { count } of short) options.recall(count);
      return wait(Math.min(2 ** attempt, 16)).then(() => ask(holds, finalising, deadline, attempt + 1));
    };
    try {
      const asking = { tight: attempt > 0, finalising };
      const answer = share.exchange(
        holds.map(({ count }) => count),
        asking,
      );
      return answer === undefined ? decide() : answer.then(decide, failed);
    } catch (error) {
      return failed(error);
    }
  }

  /** `spent` is what the call used; undefined when nobody knows, so that what it held counts. */
  function settle(holds: readonly Hold[], spent: Spent | undefined): void {
    const now = clock();
    for (const { count, amount } of holds) {
      const { unit } = count.budget;
      // Money that nobody can tell is not zero either: then what was held counts.
      const unpriced = unit === "usd" && spent?.costNano === undefined && spent?.tokens !== 0;
      settleOne(count, amount, spent === undefined || unpriced ? amount : amountOf(unit, spent), now);
    }
  }

  function settleOne(count: Count, held: number, spent: number, now: number): void {
    if (now >= count.end) share.roll(count, now);
    // What it held is given back, what it came to is taken from the slice for good.
    count.inUse -= held;
    count.spent += spent;
    count.slice = Math.max(count.inUse, count.slice - spent);
    if (!share.alone) share.touch(count);
    const { warnAt, cap } = count.budget;
    const total = count.spent + count.elsewhere;
    if (total >= cap) options.onFull(count);
    if (warnAt === undefined || count.warned || total < warnAt) return;
    count.warned = true;
    options.onWarning(count);
  }

  function release(holds: readonly Hold[]): void {
    const now = clock();
    for (const { count, amount } of holds) settleOne(count, amount, 0, now);
  }

  return {
    counts: { [Symbol.iterator]: () => counts.values() },
    countsOf,
    holdsOf,
    take,
    force: (holds) => reserve(holds, clock()),
    settle,
    release,
    charge(node, spent) {
      const now = clock();
      for (const count of countsOf(node)) {
        const { unit } = count.budget;
        settleOne(count, 0, unit === "calls" ? 0 : amountOf(unit, spent), now);
      }
    },
  };
}

function holdsOf(counts: readonly Count[], forecast: Forecast): readonly Hold[] {
  const holds: Hold[] = [];
  for (const count of counts) holds.push({ count, amount: amountOf(count.budget.unit, forecast) });
  return holds;
}

/** An amount in the unit of a budget. */
function amountOf(unit: Budget["unit"], { tokens, costNano }: Spent | Forecast): number {
  if (unit === "calls") return 1;
  return unit === "tokens" ? tokens : (costNano ?? 0);
}
