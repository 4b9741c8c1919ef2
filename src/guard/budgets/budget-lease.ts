import { setInterval } from "node:timers";
import type { Report } from "../../limits/tally.ts";
import { type Store, within } from "../../stores/store.ts";
import { applyStanding, beginWindow, type Count, isOver, keyOf, reportOf } from "./budget-counter.ts";

/**
 * Keeps this process's counts and the store in step. Reports say totals, so that one that is lost, or arrives twice,
 * does no harm; as many as are due travel together, and never two at a time.
 */
export interface Share {
  /** Reports a count soon, in this turn of the event loop. */
  touch(count: Count): void;
  /** Reports these counts now. Rejects, or throws, when the store cannot be asked in time. */
  exchange(counts: readonly Count[], asking: Asking): void | Promise<void>;
  /** The store is this process's own: slices never expire, and nobody waits for reports. */
  readonly alone: boolean;
  /** Begins a new window where the old one is over; what was spent in the old one stays with the store. */
  roll(count: Count, now: number): void;
  /** Says farewell to a count that is dropped from memory. */
  depart(count: Count): void;
  /** Gives back what is idle of a count that somebody waits for. */
  recall(key: string): void;
  /** Everything is reported anew: the store was away. */
  reassert(): void;
  /** Reports all and leaves. */
  leave(): Promise<void>;
}

export interface Asking {
  readonly tight: boolean;
  readonly finalising: boolean;
}

export interface ShareOptions {
  readonly store: Store;
  /** Names this process; never used by another one, nor after a restart. */
  readonly holder: string;
  readonly counts: () => Iterable<Count>;
  readonly clock: () => number;
  readonly leaseMs: number;
  readonly timeoutMs: number;
  /** A report in the background failed; the next one says it all again. */
  readonly onFailure: (error: unknown) => void;
}

/** With a store of our own, farewells wait for the next question; but not more than these. */
const MAX_FAREWELLS = 1_000;
const CALM: Asking = { tight: false, finalising: false };

export function createShare(options: ShareOptions): Share {
  const { store, holder, clock, leaseMs } = options;
  /** What has changed since it was reported. */
  let dirty: Count[] = [];
  /** Counts that calls wait for, with how they ask. */
  let asked = new Map<Count, Asking>();
  /** Last reports of windows that are over, until the store has them. */
  let farewells: Report[] = [];
  let running: Promise<void> | undefined;
  let queued: Promise<void> | undefined;
  let scheduled = false;
  const beat = setInterval(keepAlive, leaseMs / 3);
  beat.unref();

  function run(): void | Promise<void> {
    const now = clock();
    const counts = new Set([...asked.keys(), ...dirty]);
    for (const count of dirty) count.listed = false;
    dirty = [];
    const asking = asked;
    const parting = farewells;
    asked = new Map();
    farewells = [];
    const rows = [...counts].map((count) => {
      const { tight, finalising } = asking.get(count) ?? CALM;
      return {
        count,
        report: reportOf(count, now, { holder, leaseMs, tight, leave: false, giveBack: false, finalising }),
      };
    });
    const failed = (error: unknown): never => {
      // It may have arrived: then the store has forgotten us, and knows by what was acknowledged that we were there.
      farewells = [...parting.map((one) => (one.acked > 0 ? { ...one, acked: one.spent } : one)), ...farewells];
      for (const { count } of rows) list(count);
      throw error;
    };
    const reports = [...parting, ...rows.map(({ report }) => report)];
    if (reports.length === 0) return undefined;
    const done = (standings: Awaited<ReturnType<Store["exchange"]>>): void => {
      for (const [index, { count, report }] of rows.entries()) {
        const standing = standings[parting.length + index];
        if (standing) applyStanding(count, report, standing, now);
      }
    };
    try {
      const answer = store.exchange(reports);
      if (answer instanceof Promise) return within(answer, options.timeoutMs).then(done, failed);
      done(answer);
    } catch (error) {
      failed(error);
    }
    return undefined;
  }

  function runAlone(): Promise<void> {
    running = Promise.resolve(run()).finally(() => {
      running = undefined;
    });
    return running;
  }

  function exchange(counts: readonly Count[], asking: Asking): void | Promise<void> {
    for (const count of counts) {
      const before = asked.get(count);
      const tight = asking.tight || before?.tight === true;
      asked.set(count, { tight, finalising: asking.finalising || before?.finalising === true });
    }
    if (running === undefined) {
      const answer = run();
      if (answer === undefined) return undefined;
      running = answer.finally(() => {
        running = undefined;
      });
      return running;
    }
    queued ??= running.then(noop, noop).then(() => {
      queued = undefined;
      return runAlone();
    });
    return queued;
  }

  function report(): void {
    scheduled = false;
    try {
      exchange([], CALM)?.catch(options.onFailure);
    } catch (error) {
      options.onFailure(error);
    }
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(report);
  }

  function list(count: Count): void {
    if (count.listed) return;
    count.listed = true;
    dirty.push(count);
  }

  function touch(count: Count): void {
    // Nobody else looks: the next question says it, or the next beat.
    if (store.alone) return;
    list(count);
    schedule();
  }

  /** Keeps slices that are in use, and gives back what was idle for a beat. */
  function keepAlive(): void {
    const now = clock();
    for (const count of options.counts()) {
      roll(count, now);
      const idle = count.slice > count.inUse && now - count.usedAt > leaseMs / 3;
      if (idle) count.slice = count.inUse;
      if (idle || (store.alone ? count.spent !== count.acked : count.slice > 0)) list(count);
    }
    if (dirty.length > 0 || farewells.length > 0) schedule();
  }

  function roll(count: Count, now: number): void {
    if (!isOver(count, now)) return;
    const { inUse } = count;
    count.inUse = 0;
    depart(count);
    beginWindow(count, now);
    count.inUse = inUse;
    count.slice = inUse;
    touch(count);
  }

  function depart(count: Count): void {
    if (count.spent === 0 && count.acked === 0 && count.slice === 0) return;
    farewells.push(reportOf(count, clock(), { holder, leaseMs, ...CALM, leave: true, giveBack: true }));
    if (farewells.length >= MAX_FAREWELLS || !store.alone) schedule();
  }

  return {
    alone: store.alone === true,
    touch,
    exchange,
    roll,
    depart,
    recall(key) {
      for (const count of options.counts()) {
        if (keyOf(count) !== key || count.slice <= count.inUse) continue;
        count.slice = count.inUse;
        count.typical = 0;
        list(count);
        schedule();
      }
    },
    reassert() {
      for (const count of options.counts()) list(count);
      schedule();
    },
    async leave() {
      clearInterval(beat);
      await running?.catch(noop);
      const now = clock();
      const reports = [...options.counts()].map((count) =>
        reportOf(count, now, { holder, leaseMs, ...CALM, leave: true, giveBack: true }),
      );
      const answer = store.exchange([...farewells, ...reports]);
      if (answer instanceof Promise) await within(answer, Math.max(options.timeoutMs, 500));
    },
  };
}

function noop(): void {}
