/** A vendor's clock: ours, unless the vendor's answers show that ours is wrong. */
export interface VendorClock {
  now(): number;
  /** The vendor's time, as an answer just said it, in milliseconds since the epoch. */
  heard(ms: number): void;
  /** How far ours is ahead; 0 as long as both agree. */
  readonly skewMs: number;
}

/** Answers say whole seconds and take a while to arrive. */
const TOLERATED_MS = 5_000;

export function createVendorClock(ours: () => number): VendorClock {
  let skewMs = 0;
  return {
    now: () => ours() - skewMs,
    heard(ms) {
      const ahead = ours() - ms;
      skewMs = Math.abs(ahead) > TOLERATED_MS ? ahead : 0;
    },
    get skewMs() {
      return skewMs;
    },
  };
}
