/** The time that one export covers, in whole seconds since the epoch. */
export interface Interval {
  readonly start: number;
  readonly end: number;
}

/**
 * Hands out the timestamps of exports. Datadog keeps the last of two points with equal tags in one second, so no two
 * exports of a process may share one: the second of two within a second is dated one later.
 */
export interface Seconds {
  /**
   * The next interval. Undefined when flushes came so fast that it would lie too far ahead of the clock: then waiting
   * helps, unless it is the `last` one.
   */
  next(nowMs: number, last?: boolean): Interval | undefined;
  /** Notes that points were sent with this interval. */
  use(interval: Interval): void;
}

/** Datadog takes points up to 10 minutes ahead. */
const MAX_AHEAD = 300;

/** @param before The last second in which an earlier owner of our tags may have exported. */
export function createSeconds(before: number, startMs: number): Seconds {
  let previous = Math.max(before, Math.floor(startMs / 1_000) - 1);
  return {
    next(nowMs, last = false) {
      const now = Math.floor(nowMs / 1_000);
      const end = Math.max(now, previous + 1);
      return end > now + MAX_AHEAD && !last ? undefined : { start: previous, end };
    },
    use({ end }) {
      previous = end;
    },
  };
}
