import type { Matches } from "../../datadog/query/filter.ts";
import {
  type Cells,
  createCells,
  foldCells,
  forgetRaw,
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

/** The time series that the sandbox holds: bounded in series and points, the oldest points go first. */
export interface SeriesStore {
  /**
   * Takes a point. `texts` are `key:value` tags, `alias` any text that stands for them in the same order: it spares
   * reading them again.
   */
  write(
    metric: string,
    type: MetricType,
    alias: string,
    texts: () => readonly string[],
    time: number,
    value: number,
  ): void;
  /** Counts a point that never came so far. */
  drop(why: Dropped): void;
  /** The series of a metric that a filter matches. */
  select(metric: string, matches: Matches): readonly Series[];
  has(metric: string): boolean;
  /** Values of a tag over all metrics. */
  valuesOf(key: string): readonly string[];
  /** Folds and forgets. To be called now and then. */
  compact(): void;
  readonly stats: { readonly points: number; readonly series: number; readonly held: number; readonly limit: number };
  readonly dropped: Readonly<Record<string, number>>;
}

export interface SeriesOptions {
  readonly now: () => number;
  /** Whether old points of a metric are kept, and late ones taken. */
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

export function createSeriesStore(options: SeriesOptions): SeriesStore {
  const { now, isHistorical, maxSeries = MAX_SERIES, maxPoints = MAX_POINTS } = options;
  const metrics = new Map<string, Metric>();
  const dropped: Record<string, number> = {};
  let points = 0;
  let count = 0;
  let held = 0;
  /** So many points make it look again: when it could not make room, not at once. */
  let full = maxPoints * 1.1;

  const drop = (why: Dropped): void => {
    dropped[why] = (dropped[why] ?? 0) + 1;
  };

  function find(
    metric: Metric,
    name: string,
    type: MetricType,
    alias: string,
    texts: () => readonly string[],
  ): Series | undefined {
    const known = metric.aliases.get(alias);
    if (known !== undefined) return known;
    const tags = toTags(texts());
    const key = keyOfTags(tags);
    let series = metric.series.get(key);
    if (series === undefined) {
      if (count >= maxSeries) return undefined;
      series = { metric: name, type, tags, cells: createCells() };
      metric.series.set(key, series);
      count += 1;
    }
    // Tags in every order there is would fill the memory.
    if (metric.aliases.size > 4 * metric.series.size + 64) metric.aliases.clear();
    metric.aliases.set(alias, series);
    return series;
  }

  function metricOf(name: string): Metric {
    let metric = metrics.get(name);
    if (metric === undefined) {
      metric = { series: new Map(), aliases: new Map() };
      metrics.set(name, metric);
    }
    return metric;
  }

  function compact(): void {
    const at = now();
    let oldest = at - RETENTION_S;
    for (;;) {
      held = 0;
      for (const [name, metric] of metrics) {
        const historical = isHistorical(name);
        for (const [key, series] of metric.series) {
          // Points of the past are written again, so that they stay as they came.
          if (historical) forgetRaw(series.cells, at - HISTORY_S);
          else foldCells(series.cells, at, oldest);
          if (newestOf(series.cells) < (historical ? at - HISTORY_S : oldest)) {
            metric.series.delete(key);
            metric.aliases.clear();
            count -= 1;
          } else held += sizeOf(series.cells);
        }
      }
      if (held <= maxPoints || oldest >= at - RAW_S) break;
      oldest = Math.min(oldest + (oldest < at - 2 * DAY_S ? DAY_S : HOUR_S), at - RAW_S);
    }
    full = Math.max(maxPoints, held) * 1.1;
  }

  return {
    write(name, type, alias, texts, time, value) {
      if (!Number.isFinite(value)) return drop("value");
      const at = now();
      const second = Math.floor(time);
      if (second > at + AHEAD_S) return drop("future");
      if (second < at - (isHistorical(name) ? HISTORY_S : LATE_S)) return drop("late");
      const normal = metrics.has(name) ? name : normalizeMetric(name);
      if (normal === undefined) return drop("name");
      const series = find(metricOf(normal), normal, type, alias, texts);
      if (series === undefined) return drop("series limit");
      series.type = type;
      points += 1;
      if (writePoint(series.cells, second, value)) held += 1;
      if (held > full) compact();
    },
    drop,
    select(name, matches) {
      const found: Series[] = [];
      for (const series of metrics.get(name)?.series.values() ?? []) if (matches(series.tags)) found.push(series);
      return found;
    },
    has: (name) => metrics.has(name),
    valuesOf(key) {
      const values = new Set<string>();
      for (const { series } of metrics.values())
        for (const { tags } of series.values()) for (const value of tags.get(key) ?? []) values.add(value);
      return [...values].sort();
    },
    compact,
    get stats() {
      return { points, series: count, held, limit: maxPoints };
    },
    dropped,
  };
}
