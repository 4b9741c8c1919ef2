/** A time in which a row holds: ISO dates or times, UTC; `from` belongs to it, `until` does not. Absent is open. */
export interface Dated {
  readonly from?: string;
  readonly until?: string;
}

export interface Times {
  readonly from: number;
  readonly until: number;
}

/** The time of a row in milliseconds since the epoch. */
export function timesOf({ from, until }: Dated): Times {
  return {
    from: from === undefined ? Number.NEGATIVE_INFINITY : Date.parse(from),
    until: until === undefined ? Number.POSITIVE_INFINITY : Date.parse(until),
  };
}

/** The time in which an answer of a source holds, in milliseconds since the epoch; `until` does not belong to it. */
export interface Validity {
  from: number;
  until: number;
}

/** An answer that was found at `at` may be another one from `edge` on. A date that cannot be read is no edge. */
export function narrow(validity: Validity, edge: number, at: number): void {
  if (edge <= at) {
    if (edge > validity.from) validity.from = edge;
  } else if (edge < validity.until) validity.until = edge;
}
