/**
 * The points of one series in three grains: as they came for two hours, then a cell a minute, after two days a cell a
 * half hour. Points older than an hour are not taken, so that what is folded never changes.
 */
export interface Cells {
  readonly raw: Raw;
  readonly minutes: Folded;
  readonly halves: Folded;
}

interface Raw {
  times: number[];
  values: number[];
}

interface Folded {
  times: number[];
  sums: number[];
  counts: number[];
  minima: number[];
  maxima: number[];
}

export const RAW_S = 2 * 3_600;
const MINUTES_S = 2 * 86_400;
/** Two months, so that one can be compared with the other, and a day more for the time zone that they begin in. */
export const RETENTION_S = 63 * 86_400;
const MINUTE_S = 60;
const HALF_S = 1_800;

export function createCells(): Cells {
  return { raw: { times: [], values: [] }, minutes: folded(), halves: folded() };
}

function folded(): Folded {
  return { times: [], sums: [], counts: [], minima: [], maxima: [] };
}

export function sizeOf({ raw, minutes, halves }: Cells): number {
  return raw.times.length + minutes.times.length + halves.times.length;
}

/** Writes a point; one of the same second is replaced. True when there is one more. */
export function writePoint({ raw }: Cells, time: number, value: number): boolean {
  const { times, values } = raw;
  let at = times.length;
  while (at > 0 && (times[at - 1] as number) > time) at -= 1;
  if (at > 0 && times[at - 1] === time) {
    values[at - 1] = value;
    return false;
  }
  if (at === times.length) {
    times.push(time);
    values.push(value);
  } else {
    times.splice(at, 0, time);
    values.splice(at, 0, value);
  }
  return true;
}

/** Folds what is old enough, and drops what is older than `oldest`. */
export function foldCells({ raw, minutes, halves }: Cells, now: number, oldest: number): void {
  const rawFrom = floor(now - RAW_S, MINUTE_S);
  const old = indexOf(raw.times, rawFrom);
  for (let i = 0; i < old; i += 1) {
    const value = raw.values[i] as number;
    add(minutes, floor(raw.times[i] as number, MINUTE_S), value, 1, value, value);
  }
  dropRaw(raw, old);
  const { times, sums, counts, minima, maxima } = minutes;
  const stale = indexOf(times, floor(now - MINUTES_S, HALF_S));
  for (let i = 0; i < stale; i += 1) {
    const [sum, count, min, max] = [sums[i], counts[i], minima[i], maxima[i]] as number[];
    add(halves, floor(times[i] as number, HALF_S), sum as number, count as number, min as number, max as number);
  }
  drop(minutes, Math.max(stale, indexOf(minutes.times, oldest)));
  drop(halves, indexOf(halves.times, oldest));
}

function add(to: Folded, time: number, sum: number, count: number, min: number, max: number): void {
  const at = to.times.length - 1;
  if (to.times[at] !== time) {
    to.times.push(time);
    to.sums.push(sum);
    to.counts.push(count);
    to.minima.push(min);
    to.maxima.push(max);
    return;
  }
  to.sums[at] = (to.sums[at] as number) + sum;
  to.counts[at] = (to.counts[at] as number) + count;
  to.minima[at] = Math.min(to.minima[at] as number, min);
  to.maxima[at] = Math.max(to.maxima[at] as number, max);
}

/** Drops unfolded points older than `oldest`: a metric whose past is rewritten is never folded. */
export function dropOldRaw({ raw }: Cells, oldest: number): void {
  dropRaw(raw, indexOf(raw.times, oldest));
}

function dropRaw(raw: Raw, count: number): void {
  if (count === 0) return;
  raw.times = raw.times.slice(count);
  raw.values = raw.values.slice(count);
}

function drop(cells: Folded, count: number): void {
  if (count === 0) return;
  for (const name of ["times", "sums", "counts", "minima", "maxima"] as const) cells[name] = cells[name].slice(count);
}

export type Visit = (time: number, sum: number, count: number, min: number, max: number) => void;

/** Visits every cell that begins in [from, to), oldest first. */
export function scanCells({ raw, minutes, halves }: Cells, from: number, to: number, visit: Visit): void {
  for (const { times, sums, counts, minima, maxima } of [halves, minutes]) {
    if (times.length === 0 || (times.at(-1) as number) < from) continue;
    for (let i = indexOf(times, from); i < times.length && (times[i] as number) < to; i += 1)
      visit(times[i] as number, sums[i] as number, counts[i] as number, minima[i] as number, maxima[i] as number);
  }
  const { times, values } = raw;
  for (let i = indexOf(times, from); i < times.length && (times[i] as number) < to; i += 1) {
    const value = values[i] as number;
    visit(times[i] as number, value, 1, value, value);
  }
}

/** The time of the newest point; -Infinity without any. */
export function newestOf({ raw, minutes, halves }: Cells): number {
  return raw.times.at(-1) ?? minutes.times.at(-1) ?? halves.times.at(-1) ?? Number.NEGATIVE_INFINITY;
}

/** The first index whose time is not before `time`. */
function indexOf(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] as number) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

function floor(time: number, grain: number): number {
  return Math.floor(time / grain) * grain;
}
