import { type Span, spanAt } from "../../core/period.ts";
import type { Budget } from "../../limits/budget.ts";
import { joinKey } from "../../limits/scope-text.ts";
import type { Report, Standing } from "../../limits/tally.ts";

/** This process's side of one budget, for one scope, in the current window. Amounts are in the unit of the budget. */
export interface Count {
  /** Replaced where the configuration is read again and has it with another cap. */
  budget: Budget;
  /** `agent:researcher`, `all`. */
  readonly scope: string;
  readonly run: string;
  span: Span;
  /** When the window began, in milliseconds since the epoch, less what a clock may be set back. */
  start: number;
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
  /** By how much operators raised the cap in this window, as last reported by the store; below zero: lowered it. */
  raised: number;
  /** Of a moving window: what was spent in earlier parts. */
  readonly past: Past | undefined;
  /** Reserved by calls in flight. */
  inUse: number;
  /** What may be in flight without asking the store; at least `inUse`, unless calls passed unchecked. */
  slice: number;
  /** Amounts of the calls that wait for the store now. */
  need: number;
  /** The amount of a typical call; it decides how much to hold. */
  typical: number;
  /** Of a budget of seconds: how long its calls typically took, in milliseconds; undefined before the first ended. */
  lasting: number | undefined;
  /** What other processes hold and do not use, as last reported by the store. */
  idle: number;
  /** Reserved by calls in flight in other processes, as last reported by the store. */
  busy: number;
  /** Why the store's last answer does not show what is left: a broken value, or sums that it lost and is being sent again. */
  doubt: "broken" | "lost" | undefined;
  /** When the lease of the slice ends, in milliseconds since the epoch. */
  leasedUntil: number;
  usedAt: number;
  warned: boolean;
  /** Calls under way in this process. */
  open: number;
  /** When a throttle last let a call go, in milliseconds since the epoch. */
  pacedAt: number;
  /** A turn among all processes that no call has used yet: when it is due, in milliseconds since the epoch, and how long that was. */
  turn: { readonly due: number; readonly waitMs: number } | undefined;
  /** It is in the list of counts to report. */
  listed: boolean;
}

/** Spend in earlier parts of a moving window, by part. */
interface Past {
  /** By this process: exact. */
  readonly own: Map<string, number>;
  /** By others, as last reported by the store, which names no parts: counted in the newest of that time. */
  readonly others: Map<string, number>;
}

export function openCount(budget: Budget, scope: string, run: string, now: number, owner?: object): Count {
  const span = spanAt(budget.per, now, run);
  return {
    // What each call reads or changes comes first, on few cache lines.
    budget,
    owner,
    start: span.start - SKEW_MS,
    end: span.end ?? Number.POSITIVE_INFINITY,
    inUse: 0,
    slice: 0,
    open: 0,
    usedAt: now,
    typical: 0,
    leasedUntil: 0,
    spent: 0,
    elsewhere: 0,
    raised: 0,
    listed: false,
    warned: false,
    scope,
    run,
    span,
    acked: 0,
    others: 0,
    past: budget.per.kind === "moving" ? { own: new Map(), others: new Map() } : undefined,
    need: 0,
    lasting: undefined,
    idle: 0,
    busy: 0,
    doubt: undefined,
    pacedAt: Number.NEGATIVE_INFINITY,
    turn: undefined,
  };
}

/** A clock that is set back by less than this stays in its window. */
const SKEW_MS = 60_000;

/** Whether `now` lies in another window: a later one, or an earlier one after the clock was set back. */
export function isOver({ start, end }: Count, now: number): boolean {
  return now >= end || now < start;
}

/** Begins the next window; calls in flight will settle in it. */
export function beginWindow(count: Count, now: number): void {
  count.past?.own.set(count.span.current, count.spent);
  count.past?.others.set(count.span.current, count.others);
  count.span = spanAt(count.budget.per, now, count.run);
  count.start = count.span.start - SKEW_MS;
  count.end = count.span.end ?? Number.POSITIVE_INFINITY;
  count.spent = 0;
  count.acked = 0;
  count.others = 0;
  count.raised = 0;
  count.elsewhere = count.past === undefined ? 0 : partsOf(count, count.past.own) + partsOf(count, count.past.others);
  count.busy = 0;
  count.leasedUntil = 0;
  count.slice = 0;
  count.warned = false;
}

/** The sum of the parts that still count. Forgets the others. */
function partsOf({ span }: Count, parts: Map<string, number>): number {
  let sum = 0;
  for (const [part, spent] of parts) {
    if (span.earlier.includes(part)) sum += spent;
    else parts.delete(part);
  }
  return sum;
}

/** Spent in the window by all processes, as far as this one knows. */
export function totalOf(count: Count): number {
  return count.spent + count.elsewhere;
}

/** The cap in force: the configuration's, with what operators changed in this window. */
export function capOf({ budget, raised }: Count): number {
  return Math.max(0, budget.cap + raised);
}

/** The share of the cap in force that is spent, of 1. */
export function shareOf(count: Count, now: number): number {
  if (isOver(count, now)) return 0;
  const cap = capOf(count);
  return cap === 0 ? 1 : totalOf(count) / cap;
}

/** What of {@link capOf} calls may use that do not finalise. */
export function ordinaryOf({ budget, raised }: Count): number {
  return Math.max(0, budget.ordinary + raised);
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
  return { budget: budget.name, scope, unit: budget.unit, spent: totalOf(count), inUse, cap: capOf(count) };
}

export function keyOf(count: Count, window = count.span.current): string {
  return joinKey(count.budget.id, count.scope, window);
}

/** Keeps what others spent in earlier parts, and counts this process's own even where the store has lost it. */
function keepPast(count: Count, { own, others }: Past): void {
  const stored = count.elsewhere - count.others;
  const known = partsOf(count, own);
  const [newest] = count.span.earlier;
  others.clear();
  if (stored > known && newest !== undefined) others.set(newest, stored - known);
  count.elsewhere = count.others + Math.max(stored, known);
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
  if (standing.raised !== count.raised) count.warned = false;
  count.raised = standing.raised;
  count.elsewhere = standing.spent - report.spent;
  if (count.past !== undefined) keepPast(count, count.past);
  count.idle = standing.idle;
  count.doubt = standing.quiet ? "lost" : undefined;
  count.busy = standing.held - standing.idle;
  count.slice += Math.max(0, standing.slice - Math.max(report.keep, report.inUse));
}
