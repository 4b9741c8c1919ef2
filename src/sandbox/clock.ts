/** The sandbox's time, in seconds since the epoch. */
export interface Clock {
  readonly type: "real" | "simulated";
  /** Seconds of it in a real second: 1 for the real one, 0 when it only moves by {@link Clock.advance}. */
  readonly speed: number;
  now(): number;
  /** The time of the sandbox at a real moment. */
  at(real: number): number;
  advance(seconds: number): void;
}

/** Points from so long before the clock began are of the past, in seconds. */
const PAST_S = 3_600;

const realNow = (): number => Date.now() / 1_000;

export function realClock(): Clock {
  return { type: "real", speed: 1, now: realNow, at: (real) => real, advance: () => {} };
}

/**
 * A clock that begins at `origin`, in the past, and runs at its own speed until it has caught up with the real one:
 * receivers of its webhooks refuse times in the future.
 */
export function simulatedClock(origin: number, speed = 0, real: () => number = realNow): Clock {
  const began = real();
  let skipped = 0;
  const at = (moment: number): number => {
    // Days of a bill are what they are, whatever time it is here.
    if (moment < began - PAST_S) return moment;
    // A standing clock takes points for those of now.
    const here = speed === 0 ? origin + skipped : origin + skipped + (moment - began) * speed;
    return Math.min(here, Math.max(moment, origin + skipped));
  };
  return {
    type: "simulated",
    speed,
    now: () => at(real()),
    at,
    advance(seconds) {
      skipped += seconds;
    },
  };
}
