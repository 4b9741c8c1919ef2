/** The stretch of time that is looked at, cut into intervals. All in seconds; `to` is not part of it. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly interval: number;
}

export function stepsOf({ from, to, interval }: Span): number {
  return Math.max(1, Math.ceil((to - from) / interval));
}

/** Values by group and interval; NaN where there is none. */
export interface Frame {
  readonly by: readonly string[];
  readonly rows: ReadonlyMap<string, Row>;
  /** The value for a group that another frame has and this one lacks. */
  readonly missing: number;
  /** The same for all groups: a number. */
  readonly constant?: number;
}

export interface Row {
  readonly tags: readonly string[];
  readonly values: Float64Array;
}

/** The name of something that the sandbox does not support. */
export class Unsupported extends Error {
  constructor(what: string) {
    super(`the sandbox does not evaluate ${what}`);
    this.name = "Unsupported";
  }
}

export function constantFrame(value: number): Frame {
  return { by: [], rows: new Map(), missing: value, constant: value };
}

/** The frame with every value changed. */
export function mapFrame(frame: Frame, change: (values: Float64Array) => Float64Array, missing = frame.missing): Frame {
  if (frame.constant !== undefined) {
    const value = change(Float64Array.of(frame.constant))[0] as number;
    return constantFrame(value);
  }
  const rows = new Map<string, Row>();
  for (const [key, { tags, values }] of frame.rows) rows.set(key, { tags, values: change(values) });
  return { by: frame.by, rows, missing };
}

/** Joins two frames group by group. One without groups is combined with every group of the other. */
export function joinFrames(left: Frame, right: Frame, combine: (a: number, b: number) => number): Frame {
  if (left.constant !== undefined && right.constant !== undefined)
    return constantFrame(combine(left.constant, right.constant));
  const leftWide = left.constant !== undefined || left.by.length === 0;
  const rightWide = right.constant !== undefined || right.by.length === 0;
  const same = left.by.length === right.by.length && left.by.every((key, index) => key === right.by[index]);
  if (!same && !leftWide && !rightWide)
    throw new Unsupported(`arithmetic of queries grouped by {${left.by}} and by {${right.by}}`);
  const wider = left.constant !== undefined || (leftWide && !rightWide) ? right : left;
  const rows = new Map<string, Row>();
  const keys = new Map<string, readonly string[]>();
  for (const [key, { tags }] of wider.rows) keys.set(key, tags);
  // A group that only the narrower one has counts where the wider one defines a value for it.
  if (same) for (const frame of [left, right]) for (const [key, { tags }] of frame.rows) keys.set(key, tags);
  for (const [key, tags] of keys) {
    const a = valuesAt(left, key, leftWide && !same);
    const b = valuesAt(right, key, rightWide && !same);
    const steps = Math.max(a.length, b.length);
    const values = new Float64Array(steps);
    for (let i = 0; i < steps; i += 1)
      values[i] = combine((a.length === 1 ? a[0] : a[i]) as number, (b.length === 1 ? b[0] : b[i]) as number);
    rows.set(key, { tags, values });
  }
  return { by: wider.by, rows, missing: combine(left.missing, right.missing) };
}

function valuesAt(frame: Frame, key: string, wide: boolean): Float64Array {
  if (frame.constant !== undefined) return Float64Array.of(frame.constant);
  const row = wide ? frame.rows.values().next().value : frame.rows.get(key);
  return row?.values ?? Float64Array.of(frame.missing);
}
