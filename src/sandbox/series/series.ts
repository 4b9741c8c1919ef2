import type { Matches } from "../../datadog/query/filter.ts";
import {
  type Cells,
  createCells,
  dropOldRaw,
  foldCells,
  newestOf,
  RAW_S,
  RETENTION_S,
  sizeOf,
  writePoint,
} from "./cells.ts";
import { keyOfTags, normalizeMetric, type Tags, toTags } from "./tags.ts";

export type MetricType = "count" | "rate" | "gauge";

/** One metric with one set of tags. */
export interface Series {
  readonly metric: string;
  type: MetricType;
  readonly tags: Tags;
  readonly cells: Cells;
}

export type Dropped = "late" | "future" | "series limit" | "name" | "value" | "temporality";

/** The time series of the sandbox, bounded in series and points: the oldest points are deleted first. */
export interface SeriesStore {
  /**
   * Stores a point; `time` is in seconds since the epoch. `texts` gives `key:value` tags; `alias` is any text that
   * identifies them in this order, so that they are parsed once.
   */
  write(
    metric: string,
    type: MetricType,
    alias: string,
    texts: () => readonly string[],
    time: number,
    value: number,
  ): void;
  /** Counts a point that was dropped before it came here. */
  drop(why: Dropped): void;
  /** The series of a metric that a filter matches. */
  select(metric: string, matches: Matches): readonly Series[];
  has(metric: string): boolean;
  /** Sorted values of a tag over all metrics. */
  valuesOf(key: string): readonly string[];
  /** Folds older points and deletes expired ones. Call it periodically. */
  compact(): void;
  readonly stats: { readonly points: number; readonly series: number; readonly held: number; readonly limit: number };
  readonly dropped: Readonly<Record<string, number>>;
}

export interface SeriesOptions {
  /** Seconds since the epoch. */
  readonly now: () => number;
  /** Whether old points of a metric are kept, and late ones accepted. */
  readonly isHistorical: (metric: string) => boolean;
  readonly maxSeries?: number;
  readonly maxPoints?: number;
}

const LATE_S = 3_600;
const AHEAD_S = 600;
const HISTORY_S = 460 * 86_400;
const MAX_SERIES = 50_000;
const MAX_POINTS = 2_000_000;
const DAY_S = 86_400;
const HOUR_S = 3_600;

interface Metric {
  readonly series: Map<string, Series>;
  readonly aliases: Map<string, Series>;
}

interface StoreState {
  readonly now: () => number;
  readonly isHistorical: (metric: string) => boolean;
  readonly maxSeries: number;
  readonly maxPoints: number;
  readonly metrics: Map<string, Metric>;
  readonly dropped: Record<string, number>;
  /** Points written so far. */
  points: number;
  /** Series. */
  count: number;
  /** Points in memory. */
  held: number;
  /** Compact above so many held points. It rises when compacting could not make room, to not compact every time. */
  full: number;
}

export function createSeriesStore(options: SeriesOptions): SeriesStore {
  const { now, isHistorical, maxSeries = MAX_SERIES, maxPoints = MAX_POINTS } = options;
  const metrics = new Map<string, Metric>();
  const dropped: Record<string, number> = {};
  const full = maxPoints * 1.1;
  const state: StoreState = {
    now,
    isHistorical,
    maxSeries,
    maxPoints,
    metrics,
    dropped,
    points: 0,
    count: 0,
    held: 0,
    full,
  };
  return {
    write(metric, type, alias, texts, time, value) {
      const why = write(state, metric, type, alias, texts, time, value);
      if (why !== undefined) drop(state, why);
    },
    drop: (why) => drop(state, why),
    select: (metric, matches) => select(state, metric, matches),
    has: (metric) => metrics.has(metric),
    valuesOf: (key) => valuesOf(state, key),
    compact: () => compact(state),
    get stats() {
      return { points: state.points, series: state.count, held: state.held, limit: maxPoints };
    },
    dropped,
  };
}

/** Why the point was dropped, or undefined. */
function write(
  state: StoreState,
  name: string,
  type: MetricType,
  alias: string,
  texts: () => readonly string[],
  time: number,
  value: number,
): Dropped | undefined {
  if (!Number.isFinite(value)) return "value";
  const at = state.now();
  const second = Math.floor(time);
  if (second > at + AHEAD_S) return "future";
  if (second < at - (state.isHistorical(name) ? HISTORY_S : LATE_S)) return "late";
  const normal = state.metrics.has(name) ? name : normalizeMetric(name);
  if (normal === undefined) return "name";
  const series = findSeries(state, normal, type, alias, texts);
  if (series === undefined) return "series limit";
  series.type = type;
  state.points += 1;
  if (writePoint(series.cells, second, value)) state.held += 1;
  if (state.held > state.full) compact(state);
  return undefined;
}

function drop({ dropped }: StoreState, why: Dropped): void {
  dropped[why] = (dropped[why] ?? 0) + 1;
}

/** The series, new where there is none; undefined at the limit of series. */
function findSeries(
  state: StoreState,
  name: string,
  type: MetricType,
  alias: string,
  texts: () => readonly string[],
): Series | undefined {
  const metric = metricOf(state, name);
  const known = metric.aliases.get(alias);
  if (known !== undefined) return known;
  const tags = toTags(texts());
  const key = keyOfTags(tags);
  let series = metric.series.get(key);
  if (series === undefined) {
    if (state.count >= state.maxSeries) return undefined;
    series = { metric: name, type, tags, cells: createCells() };
    metric.series.set(key, series);
    state.count += 1;
  }
  // Each order of the same tags is another alias: bounded, or they would fill the memory.
  if (metric.aliases.size > 4 * metric.series.size + 64) metric.aliases.clear();
  metric.aliases.set(alias, series);
  return series;
}

function metricOf({ metrics }: StoreState, name: string): Metric {
  let metric = metrics.get(name);
  if (metric === undefined) {
    metric = { series: new Map(), aliases: new Map() };
    metrics.set(name, metric);
  }
  return metric;
}

function select({ metrics }: StoreState, name: string, matches: Matches): readonly Series[] {
  const found: Series[] = [];
  for (const series of metrics.get(name)?.series.values() ?? []) if (matches(series.tags)) found.push(series);
  return found;
}

function valuesOf({ metrics }: StoreState, key: string): readonly string[] {
  const values = new Set<string>();
  for (const { series } of metrics.values())
    for (const { tags } of series.values()) for (const value of tags.get(key) ?? []) values.add(value);
  return [...values].sort();
}

/** Deletes what is older than the retention; while that leaves too much, the oldest day or hour as well. */
function compact(state: StoreState): void {
  const { maxPoints } = state;
  const at = state.now();
  let oldest = at - RETENTION_S;
  for (;;) {
    compactTo(state, at, oldest);
    if (state.held <= maxPoints || oldest >= at - RAW_S) break;
    oldest = Math.min(oldest + (oldest < at - 2 * DAY_S ? DAY_S : HOUR_S), at - RAW_S);
  }
  state.full = Math.max(maxPoints, state.held) * 1.1;
}

/** Folds and deletes points by age, and deletes series without newer ones. */
function compactTo(state: StoreState, at: number, oldest: number): void {
  state.held = 0;
  for (const [name, metric] of state.metrics) {
    const historical = state.isHistorical(name);
    const limit = historical ? at - HISTORY_S : oldest;
    for (const [key, series] of metric.series) {
      // Historical points are written again, so they are not folded.
      if (historical) dropOldRaw(series.cells, limit);
      else foldCells(series.cells, at, oldest);
      if (newestOf(series.cells) < limit) {
        metric.series.delete(key);
        metric.aliases.clear();
        state.count -= 1;
      } else state.held += sizeOf(series.cells);
    }
  }
}
