import type { Taken } from "../metrics/instruments.ts";
import type { Histogram, Tags } from "../metrics/tables.ts";
import type { Interval } from "./export-timestamps.ts";

/** A point whose time is not that of its export. Seconds since the epoch. */
export interface TimedPoint<Value> {
  readonly tags: Tags;
  readonly value: Value;
  readonly start?: number;
  readonly end?: number;
}

/** What is sent of a metric. */
export type Sent =
  | Taken
  | {
      readonly kind: "sum";
      readonly cumulative: true;
      readonly metric: Taken["metric"];
      readonly points: readonly TimedPoint<number>[];
    }
  | {
      readonly kind: "histogram";
      readonly cumulative: true;
      readonly metric: Taken["metric"];
      readonly points: readonly TimedPoint<Histogram>[];
    };

interface Series {
  readonly tags: Tags;
  value: number | Histogram;
  fresh: boolean;
}

/** The sums and histograms of a process, in the temporality that a receiver asks for. */
export interface Totals {
  /** Adds what was taken, and returns what is sent of it. Gauges stay as they are. */
  add(taken: readonly Taken[], interval: Interval): readonly Sent[];
}

/**
 * What came since the last export, of the series in which something came. Each of its points begins where the one before
 * it in its series ended, however many exports that series was idle for: the Collector's Prometheus exporter adds a point
 * up only then, and else begins its counter again (`accumulator.go` of `prometheusexporter` 0.165).
 */
export function createDeltas(): Totals {
  /** The end of the last point, by metric and by the tags, which are one object for the life of a series. */
  const ends = new Map<string, WeakMap<Tags, number>>();
  return { add: (taken, interval) => taken.map((one) => (one.kind === "gauge" ? one : follow(ends, one, interval))) };
}

function follow(ends: Map<string, WeakMap<Tags, number>>, taken: Taken, interval: Interval): Sent {
  const known = ends.get(taken.metric.name) ?? new WeakMap<Tags, number>();
  ends.set(taken.metric.name, known);
  const points = (taken.points as readonly TimedPoint<number | Histogram>[]).map((point) => {
    const start = known.get(point.tags) ?? interval.start;
    known.set(point.tags, interval.end);
    return { ...point, start };
  });
  return { ...taken, points } as Sent;
}

/**
 * Of every series that was ever taken, its total since the process began.
 *
 * Totals begin at zero in each process, also in one that takes over the slot, and so the tags, of another. Therefore a
 * new series starts with a point of 0 at the beginning of its first interval: without it Prometheus neither sees the
 * increase up to the first point, nor the restart, where the new total is not below the old one.
 */
export function createTotals(): Totals {
  const metrics = new Map<string, { readonly taken: Taken; readonly series: Map<string, Series> }>();
  let start: number | undefined;
  return {
    add(taken, interval) {
      start ??= interval.start;
      const gauges: Taken[] = [];
      for (const one of taken) {
        if (one.kind === "gauge") gauges.push(one);
        else addTo(metrics, one);
      }
      const sums = [...metrics.values()].map(({ taken: { kind, metric }, series }) => {
        const points = [...series.values()].flatMap((each) => pointsOf(each, start as number, interval));
        return { kind, cumulative: true, metric, points } as Sent;
      });
      return [...sums, ...gauges];
    },
  };
}

function addTo(
  metrics: Map<string, { readonly taken: Taken; readonly series: Map<string, Series> }>,
  taken: Taken,
): void {
  let known = metrics.get(taken.metric.name);
  if (known === undefined) {
    known = { taken, series: new Map() };
    metrics.set(taken.metric.name, known);
  }
  for (const { tags, value } of taken.points) {
    const key = JSON.stringify(Object.entries(tags).sort());
    const before = known.series.get(key);
    if (before === undefined) known.series.set(key, { tags, value: copied(value), fresh: true });
    else before.value = rounded(taken.metric.unit, sumOf(before.value, value));
  }
}

function pointsOf(series: Series, start: number, interval: Interval): readonly TimedPoint<number | Histogram>[] {
  const { tags, value, fresh } = series;
  series.fresh = false;
  // A copy: an export may wait while the total grows.
  const total = { tags, value: copied(value), start };
  return fresh ? [{ tags, value: zeroOf(value), start, end: interval.start }, total] : [total];
}

function sumOf(a: number | Histogram, b: number | Histogram): number | Histogram {
  if (typeof a === "number" || typeof b === "number") return Number(a) + Number(b);
  return {
    count: a.count + b.count,
    sum: a.sum + b.sum,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    counts: a.counts.map((count, index) => count + (b.counts[index] ?? 0)),
  };
}

/** Money is whole nano-dollars: the errors of fractions must not add up over a process's life. */
function rounded(unit: string, value: number | Histogram): number | Histogram {
  return unit === "USD" && typeof value === "number" ? Math.round(value * 1e9) / 1e9 : value;
}

function copied(value: number | Histogram): number | Histogram {
  return typeof value === "number" ? value : { ...value, counts: [...value.counts] };
}

function zeroOf(value: number | Histogram): number | Histogram {
  return typeof value === "number" ? 0 : { count: 0, sum: 0, min: 0, max: 0, counts: value.counts.map(() => 0) };
}
