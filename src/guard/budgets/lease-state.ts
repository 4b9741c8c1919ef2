import type { setInterval } from "node:timers";
import type { Report } from "../../limits/tally.ts";
import type { Store } from "../../stores/store.ts";
import type { Count } from "./budget-counter.ts";

export interface LeaseOptions {
  readonly store: Store;
  /** Unique id of this process, never reused, not even after a restart. */
  readonly holder: string;
  readonly counts: () => Iterable<Count>;
  /** Drops a count from memory that was not used for long; the store keeps what was spent. */
  readonly drop: (count: Count) => void;
  readonly clock: () => number;
  readonly leaseMs: number;
  /** How long a call waits for an answer, in milliseconds. */
  readonly timeoutMs: number;
  /** A report in the background failed; the next one repeats it. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Keeps this process's counts and the store in step. Reports carry totals, so that a lost or repeated one does no harm;
 * all that are due travel together, and one exchange runs at a time.
 */
export interface BudgetLease extends LeaseOptions {
  /** Only this process uses the store: slices never expire, and no report is awaited by others. */
  alone: boolean;
  /** Counts that changed since they were reported. */
  dirty: Count[];
  /** Counts that calls wait for. */
  asked: Map<Count, Asking>;
  /** Last reports of windows that are over, until the store has them. */
  lastReports: Report[];
  /** The exchange in progress, and the one that follows it. */
  running: Promise<void> | undefined;
  queued: Promise<void> | undefined;
  /** Whether a report is due at the end of this turn of the event loop. */
  scheduled: boolean;
  /** A call waited in vain, and the store has not answered since. */
  silent: boolean;
  /** How long the last answer took, in milliseconds. */
  tookMs: number;
  readonly report: () => void;
  readonly beat: ReturnType<typeof setInterval>;
}

/** How a count is asked for. */
export interface Asking {
  readonly tight: boolean;
  readonly finalising: boolean;
}
