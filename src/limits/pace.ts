/** Where a budget's throttle lets the calls of a scope go one after the other. */
export interface Pace {
  /** Names the throttle: budget, scope and run. */
  readonly key: string;
  /** The least time from one turn to the next, in milliseconds. */
  readonly everyMs: number;
}

/** The turn that was given last. Milliseconds since the epoch. */
export interface LastTurn {
  readonly givenAt: number;
  /** When its call may go. */
  readonly due: number;
}

/**
 * Gives the next turn, of which there is one in so long a time: those who ask sooner get later ones, in the order in which
 * they ask. A clock that was set back since the last turn holds nobody.
 * The Redis script does the same in Lua; the stores' common tests hold them together.
 */
export function nextTurn(last: LastTurn | undefined, { everyMs }: Pace, now: number): LastTurn {
  const due = last === undefined || now < last.givenAt ? now : Math.max(now, last.due + everyMs);
  return { givenAt: now, due };
}

/** For how long a turn is of interest after it is due, in milliseconds. */
export function keepTurnMs({ everyMs }: Pace): number {
  return Math.ceil(everyMs + 60_000);
}
