import { clearTimeout, setInterval, setTimeout } from "node:timers";
import { changedCount, type Report } from "../../limits/tally.ts";
import { within } from "../../stores/store.ts";
import { beginWindow, type Count, isOver, keyOf, reportOf } from "./budget-counter.ts";
import type { Asking, BudgetLease, LeaseOptions } from "./lease-state.ts";
import { applyStandings, CALM, list, putBack, takeBatch } from "./report-batch.ts";

export type { BudgetLease };

/** Last reports kept for the next exchange with a store of our own. */
const MAX_LAST_REPORTS = 1_000;
/** Minimum timeout of the last report of a process, in milliseconds. */
const LEAVE_MS = 500;
/** An exchange without an answer is given up after this long. Until then a late answer is still of use. */
const LOST_MS = 10_000;
/** How long a report that nobody waits for keeps a process alive that has nothing else to do. */
const LINGER_MS = 1_000;
/** A count that was not used for this long is left to the store, which is asked when it is used again. */
const UNUSED_MS = 60_000;

export function createLease(options: LeaseOptions): BudgetLease {
  const beat = setInterval(() => keepAlive(lease), options.leaseMs / 3);
  beat.unref();
  const lease: BudgetLease = {
    ...options,
    alone: options.store.alone === true,
    dirty: [],
    asked: new Map(),
    lastReports: [],
    running: undefined,
    queued: undefined,
    scheduled: false,
    silent: false,
    tookMs: 0,
    report: () => report(lease),
    beat,
  };
  return lease;
}

/** Reports a count at the end of this turn of the event loop. */
export function touch(lease: BudgetLease, count: Count): void {
  // No other process reads it: the next exchange, or the next beat, reports it.
  if (lease.alone) return;
  list(lease, count);
  schedule(lease);
}

function schedule(lease: BudgetLease): void {
  if (lease.scheduled) return;
  lease.scheduled = true;
  queueMicrotask(lease.report);
}

function report(lease: BudgetLease): void {
  lease.scheduled = false;
  try {
    exchange(lease, [], CALM)?.catch(lease.onFailure);
  } catch (error) {
    lease.onFailure(error);
  }
}

/** Reports these counts now. Rejects, or throws, when the store fails; how long to wait for it is up to the caller. */
export function exchange(lease: BudgetLease, counts: readonly Count[], asking: Asking): void | Promise<void> {
  const { asked } = lease;
  for (const count of counts) {
    const before = asked.get(count);
    const tight = asking.tight || before?.tight === true;
    asked.set(count, { tight, finalising: asking.finalising || before?.finalising === true });
  }
  if (lease.running === undefined) {
    const answer = run(lease);
    return answer === undefined ? undefined : track(lease, answer);
  }
  lease.queued ??= lease.running.then(noop, noop).then(() => {
    lease.queued = undefined;
    return track(lease, Promise.resolve(run(lease)));
  });
  return lease.queued;
}

function track(lease: BudgetLease, answer: Promise<void>): Promise<void> {
  lease.running = answer.finally(() => {
    lease.running = undefined;
  });
  return lease.running;
}

function run(lease: BudgetLease): void | Promise<void> {
  const batch = takeBatch(lease);
  const reports = [...batch.parting, ...batch.rows.map(({ report }) => report)];
  if (reports.length === 0) return undefined;
  try {
    const answer = lease.store.exchange(reports);
    if (!(answer instanceof Promise)) return applyStandings(lease, batch, answer);
    const sentAt = performance.now();
    return unlessLost(answer).then(
      (standings) => {
        lease.tookMs = performance.now() - sentAt;
        applyStandings(lease, batch, standings);
      },
      (error) => putBack(lease, batch, error),
    );
  } catch (error) {
    return putBack(lease, batch, error);
  }
}

/** The answer of the store, or a rejection once it is given up. */
async function unlessLost<T>(answer: Promise<T>): Promise<T> {
  const lost = Promise.withResolvers<never>();
  const giveUp = setTimeout(() => lost.reject(new Error(`no answer within ${LOST_MS} ms`)), LOST_MS).unref();
  const linger = setTimeout(noop, LINGER_MS);
  try {
    return await Promise.race([answer, lost.promise]);
  } finally {
    clearTimeout(giveUp);
    clearTimeout(linger);
  }
}

/** Renews slices in use, releases what was idle for one beat, and drops counts that nobody uses any more. */
function keepAlive(lease: BudgetLease): void {
  const now = lease.clock();
  for (const count of lease.counts()) {
    if (count.inUse === 0 && count.open === 0 && Math.abs(now - count.usedAt) > UNUSED_MS) {
      lease.drop(count);
      continue;
    }
    roll(lease, count, now);
    // A time of use that lies ahead was written before the clock was set back.
    const idle = count.slice > count.inUse && Math.abs(now - count.usedAt) > lease.leaseMs / 3;
    if (idle) count.slice = count.inUse;
    if (idle || (lease.alone ? count.spent !== count.acked : count.slice > 0)) list(lease, count);
  }
  if (lease.dirty.length > 0 || lease.lastReports.length > 0) schedule(lease);
}

/** Begins a new window where the old one is over; the store keeps what was spent in it. */
export function roll(lease: BudgetLease, count: Count, now: number): void {
  if (!isOver(count, now)) return;
  const { inUse } = count;
  count.inUse = 0;
  depart(lease, count);
  beginWindow(count, now);
  count.inUse = inUse;
  count.slice = inUse;
  touch(lease, count);
}

/** Sends the last report of a count that is dropped from memory. */
export function depart(lease: BudgetLease, count: Count): void {
  if (count.spent === 0 && count.acked === 0 && count.slice === 0) return;
  lease.lastReports.push(lastReport(lease, count, lease.clock()));
  if (lease.lastReports.length >= MAX_LAST_REPORTS || !lease.alone) schedule(lease);
}

function lastReport({ holder, leaseMs }: BudgetLease, count: Count, now: number): Report {
  return reportOf(count, now, { holder, leaseMs, ...CALM, leave: true, giveBack: true });
}

/** Releases the idle part of a count that another process waits for, or whose cap has changed. */
export function recall(lease: BudgetLease, key: string): void {
  const changed = changedCount(key);
  for (const count of lease.counts()) {
    if (keyOf(count) !== (changed ?? key) || (changed === undefined && count.slice <= count.inUse)) continue;
    count.slice = count.inUse;
    count.typical = 0;
    list(lease, count);
    schedule(lease);
  }
}

/** Reports everything again, after the store was unreachable. It may have lost the slices: what is idle is given up. */
export function reassert(lease: BudgetLease): void {
  lease.alone = lease.store.alone === true;
  for (const count of lease.counts()) {
    count.slice = count.inUse;
    list(lease, count);
  }
  schedule(lease);
}

/** Reports everything for the last time. */
export async function leave(lease: BudgetLease): Promise<void> {
  clearInterval(lease.beat);
  await lease.running?.catch(noop);
  const now = lease.clock();
  const reports = [...lease.counts()].map((count) => lastReport(lease, count, now));
  if (lease.lastReports.length + reports.length === 0) return;
  const answer = lease.store.exchange([...lease.lastReports, ...reports]);
  if (answer instanceof Promise) await within(answer, Math.max(lease.timeoutMs, LEAVE_MS));
}

function noop(): void {}
