/** The vendor's time: the local clock, corrected when the vendor's responses show that it is wrong. */
export interface VendorClock {
  now(): number;
  /** Records the vendor's time from a response just received, in milliseconds since the epoch. */
  observe(ms: number): void;
  /** How far the local clock is ahead, in milliseconds; 0 while both agree. */
  readonly skewMs: number;
}

/** Responses carry whole seconds and arrive with a delay. */
const TOLERATED_MS = 5_000;

export function createVendorClock(ours: () => number): VendorClock {
  let skewMs = 0;
  return {
    now: () => ours() - skewMs,
    observe(ms) {
      const ahead = ours() - ms;
      skewMs = Math.abs(ahead) > TOLERATED_MS ? ahead : 0;
    },
    get skewMs() {
      return skewMs;
    },
  };
}
