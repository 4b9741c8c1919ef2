/** A window and what was spent in it so far. Times are in milliseconds, amounts in any unit. */
export interface Spending {
  readonly start: number;
  readonly end: number;
  readonly spent: number;
}

/** Of a window: earlier, one busy day would decide what is expected of all the rest. Of a month it is nearly a week. */
const PACE_FROM = 0.2;

/**
 * What will have been spent when a window ends, at its mean pace until `now`. Before a fifth of it is over, that is what was
 * spent so far: it will be no less.
 */
export function projected({ start, end, spent }: Spending, now: number): number {
  const share = (now - start) / (end - start);
  return share < PACE_FROM ? spent : spent / Math.min(share, 1);
}
