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

export interface SimulatedClock extends Clock {
  /** Runs at another speed from now on. */
  pace(speed: number): void;
}

/** Points from so long before the clock began are of the past, in seconds. */
const PAST_S = 3_600;

const realNow = (): number => Date.now() / 1_000;

export function realClock(): Clock {
  return { type: "real", speed: 1, now: realNow, at: (real) => real, advance: () => {} };
}

/** From a real moment on the clock runs at a speed; `here` is its time then. In seconds. */
interface Stretch {
  readonly real: number;
  readonly here: number;
  readonly speed: number;
}

/**
 * A clock that begins at `origin`, in the past, and runs at its own speed until it has caught up with the real one:
 * receivers of its webhooks refuse times in the future.
 */
export function simulatedClock(origin: number, speed = 0, real: () => number = realNow): SimulatedClock {
  const began = real();
  const first: Stretch = { real: began, here: origin, speed };
  const stretches: Stretch[] = [first];
  let skipped = 0;
  const last = (): Stretch => stretches.at(-1) ?? first;
  const at = (moment: number): number => {
    // Days of a bill are what they are, whatever time it is here.
    if (moment < began - PAST_S) return moment;
    const stretch = stretches.findLast((one) => one.real <= moment) ?? first;
    // A standing clock takes points for those of now.
    const here = skipped + timeIn(stretch, moment);
    return Math.min(here, Math.max(moment, origin + skipped));
  };
  return {
    type: "simulated",
    get speed() {
      return last().speed;
    },
    now: () => at(real()),
    at,
    advance(seconds) {
      skipped += seconds;
    },
    pace(next) {
      const moment = real();
      stretches.push({ real: moment, here: timeIn(last(), moment), speed: next });
    },
  };
}

function timeIn({ real, here, speed }: Stretch, moment: number): number {
  return speed === 0 ? here : here + (moment - real) * speed;
}
