import { setBounded } from "../core/bounded-map.ts";
import type { SameRequest } from "../limits/gate.ts";

/** When the same request counts as stuck. */
export interface RepeatRule {
  /** Identical requests that are allowed. */
  readonly max: number;
  readonly withinMs: number;
  /** For how long the agent's circuit opens. */
  readonly tripMs: number;
}

/** Detects agents that repeat the same request. */
export interface Repeats {
  /**
   * Counts a request; true when it is one too many.
   * @param tell Called with what is known of the same requests within the time of the rule.
   */
  isOneTooMany(fingerprint: string, now: number, tell?: (same: SameRequest) => void): boolean;
  /** The calls that have been counted. */
  readonly counted: WeakSet<object>;
}

interface Seen extends SameRequest {
  count: number;
  since: number;
}

/** Maximum requests kept; the oldest are dropped. */
const MAX_SEEN = 10_000;

export function createRepeats({ max, withinMs }: RepeatRule): Repeats {
  const seen = new Map<string, Seen>();
  return {
    counted: new WeakSet(),
    isOneTooMany(fingerprint, now, tell) {
      let one = seen.get(fingerprint);
      if (one === undefined || now - one.since > withinMs || now < one.since) {
        one = { count: 0, since: now, answered: false };
        seen.delete(fingerprint);
        setBounded(seen, fingerprint, one, MAX_SEEN);
      }
      one.count += 1;
      tell?.(one);
      return one.count > max;
    },
  };
}
