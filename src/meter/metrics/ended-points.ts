import { METRICS, type MetricName } from "../../core/names.ts";
import type { Tags } from "./tables.ts";

interface GaugePoint {
  readonly tags: Tags;
  readonly value: number;
}

/** The points of a gauge that a reader was last given, by their tags. */
export type ShownPoints = ReadonlyMap<string, GaugePoint>;

export const NONE_SHOWN: ShownPoints = new Map();

/** Gauges whose points come and go. A backend shows the last value of one that is gone, until it forgets it. */
const ENDING: ReadonlySet<MetricName> = new Set([
  METRICS.circuitOpen,
  METRICS.budgetUsed,
  METRICS.budgetLimit,
  METRICS.budgetProjection,
]);

/**
 * What a reader is given of a gauge: its points, and once a 0 for each that it was given before and that is gone.
 * `shown` is what to pass the next time this reader reads.
 */
export function withEnded(
  metric: MetricName,
  current: readonly GaugePoint[],
  before: ShownPoints,
): { readonly points: readonly GaugePoint[]; readonly shown: ShownPoints } {
  if (!ENDING.has(metric)) return { points: current, shown: NONE_SHOWN };
  const shown = new Map<string, GaugePoint>();
  const points: GaugePoint[] = [];
  for (const point of current) {
    const key = JSON.stringify(point.tags);
    // A circuit at 0 has closed: that is an end, and no point of its own.
    if (point.value === 0 && metric === METRICS.circuitOpen) continue;
    shown.set(key, point);
    points.push(point);
  }
  for (const [key, { tags, value }] of before) if (!shown.has(key) && value !== 0) points.push({ tags, value: 0 });
  return { points, shown };
}
