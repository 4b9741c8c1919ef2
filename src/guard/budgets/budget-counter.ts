import { type Span, spanAt } from "../../core/period.ts";
import type { Budget } from "../../limits/budget.ts";
import type { Report, Standing } from "../../limits/tally.ts";

/** This process's side of one budget, for one scope, in the current window. Amounts are in the unit of the budget. */
export interface Count {
  readonly budget: Budget;
  /** `agent:researcher`, `all`. */
  readonly scope: string;
  readonly run: string;
  span: Span;
  /** When the window is over, in milliseconds since the epoch; infinite for a run. */
  end: number;
  /** The `owner` of the {@link Budgets} that holds the count; undefined once it is dropped. */
  owner: object | undefined;
  /** Settled here in this window. */
  spent: number;
  /** Of `spent`, what the store has confirmed. */
  acked: number;
  /** What others spent, and earlier parts of a moving window, as last reported by the store. */
  elsewhere: number;
  /** Of `elsewhere`, what others spent in the current window. */
  others: number;
  /** Reserved by calls in flight. */
  inUse: number;
  /** What may be in flight without asking the store; at least `inUse`, unless calls passed unchecked. */
  slice: number;
  /** Amounts of the calls that wait for the store now. */
  need: number;
  /** The amount of a typical call; it decides how much to hold. */
  typical: number;
  /** What other processes hold and do not use, as last reported by the store. */
  idle: number;
  /** When the lease of the slice ends, in milliseconds since the epoch. */
  leasedUntil: number;
  usedAt: number;
  warned: boolean;
  /** It is in the list of counts to report. */
  listed: boolean;
}

export function openCount(budget: Budget, scope: string, run: string, now: number, owner?: object): Count {
  const span = spanAt(budget.per, now, run);
  return {
    budget,
    scope,
    run,
    span,
    end: span.end ?? Number.POSITIVE_INFINITY,
    owner,
    spent: 0,
    acked: 0,
    elsewhere: 0,
    others: 0,
    inUse: 0,
    slice: 0,
    need: 0,
    typical: 0,
    idle: 0,
    leasedUntil: 0,
    usedAt: now,
    warned: false,
    listed: false,
  };
}

export function isOver(count: Count, now: number): boolean {
  return now >= count.end;
}

/** Begins the next window; calls in flight will settle in it. */
export function beginWindow(count: Count, now: number): void {
  count.span = spanAt(count.budget.per, now, count.run);
  count.end = count.span.end ?? Number.POSITIVE_INFINITY;
  count.spent = 0;
  count.acked = 0;
  count.elsewhere = 0;
  count.others = 0;
  count.slice = 0;
  count.warned = false;
}

/** Spent in the window by all processes, as far as this one knows. */
export function totalOf(count: Count): number {
  return count.spent + count.elsewhere;
}

/** How far one budget of one scope is used. Amounts are in its unit, money in nano-USD. */
export interface BudgetUse {
  readonly budget: string;
  readonly scope: string;
  readonly unit: Budget["unit"];
  readonly spent: number;
  /** Reserved by calls in flight in this process. */
  readonly inUse: number;
  readonly cap: number;
}

export function useOf(count: Count): BudgetUse {
  const { budget, scope, inUse } = count;
  return { budget: budget.name, scope, unit: budget.unit, spent: totalOf(count), inUse, cap: budget.cap };
}

export function keyOf(count: Count, window = count.span.current): string {
  return `${count.budget.id}|${count.scope}|${window}`;
}

export interface ReportOptions {
  readonly holder: string;
  readonly leaseMs: number;
  readonly tight: boolean;
  readonly leave: boolean;
  /** Whether to release what is not used. */
  readonly giveBack: boolean;
  /** Whether calls that finalise are among those that wait. */
  readonly finalising: boolean;
}

/** How many typical calls to hold an amount for. */
const IN_HAND = 16;
const DAY = 86_400_000;
const RUN_KEPT = 35 * DAY;

export function reportOf(count: Count, now: number, options: ReportOptions): Report {
  const { budget, span } = count;
  const { holder, leaseMs, tight, leave, giveBack } = options;
  if (giveBack) count.slice = count.inUse;
  const end = span.end ?? now + RUN_KEPT;
  const whole = budget.per.kind === "moving" ? budget.per.ms * 2 : 0;
  return {
    key: keyOf(count),
    earlier: span.earlier.map((window) => keyOf(count, window)),
    holder,
    cap: options.finalising ? budget.cap : budget.ordinary,
    spent: count.spent,
    acked: count.acked,
    others: count.others,
    inUse: count.inUse,
    keep: count.slice,
    need: count.need,
    spare: giveBack ? 0 : Math.ceil(IN_HAND * count.typical),
    tight,
    leave,
    leaseMs,
    keepMs: Math.max(leaseMs * 2, end - now + whole + 60_000),
  };
}

/** Applies the store's answer to a report. */
export function applyStanding(count: Count, report: Report, standing: Standing, now: number): void {
  count.leasedUntil = now + report.leaseMs;
  // The answer is for a window that has ended in the meantime.
  if (report.key !== keyOf(count)) return;
  count.acked = report.spent;
  count.others = standing.others;
  count.elsewhere = standing.spent - report.spent;
  count.idle = standing.idle;
  count.slice += Math.max(0, standing.slice - Math.max(report.keep, report.inUse));
}
