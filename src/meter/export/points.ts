import type { Taken } from "../metrics/instruments.ts";
import { DURATION_BOUNDS, type Histogram, type Tags } from "../metrics/tables.ts";
import type { Interval } from "./export-timestamps.ts";
import type { Sent, TimedPoint } from "./totals.ts";

/**
 * Metrics as plain data in the shape that OpenTelemetry's serializers read (`ResourceMetrics` of `sdk-metrics`), so that
 * they can be written to disk as JSON when the process ends, and be sent later unchanged.
 */
export interface Metrics {
  readonly resource: { readonly attributes: Readonly<Record<string, string>> };
  readonly scopeMetrics: readonly [{ readonly scope: Scope; readonly metrics: readonly MetricData[] }];
}

export interface Scope {
  readonly name: string;
  readonly version?: string;
}

interface MetricData {
  readonly descriptor: {
    readonly name: string;
    readonly description: string;
    readonly unit: string;
    /** 0 integer, 1 double. */
    readonly valueType: 0 | 1;
  };
  /** 0 delta, 1 cumulative. */
  readonly aggregationTemporality: 0 | 1;
  /** 0 histogram, 2 gauge, 3 sum. */
  readonly dataPointType: 0 | 2 | 3;
  readonly isMonotonic?: true;
  readonly dataPoints: readonly DataPoint[];
}

interface DataPoint {
  readonly attributes: Tags;
  readonly startTime: readonly [number, number];
  readonly endTime: readonly [number, number];
  readonly value: unknown;
}

/** Without points whose value is no number. */
export function withoutInvalid(taken: Taken, onInvalid: (metric: string) => void): Taken {
  const points = (taken.points as readonly { readonly value: unknown }[]).filter(({ value }) => {
    const valid = figuresOf(value).every(Number.isFinite);
    if (!valid) onInvalid(taken.metric.name);
    return valid;
  });
  return { ...taken, points } as unknown as Taken;
}

/** A number itself, or those of a histogram. */
function figuresOf(value: unknown): readonly unknown[] {
  if (typeof value !== "object" || value === null) return [value];
  const { count, sum, min, max } = value as Histogram;
  return [count, sum, min, max];
}

/** The data of one interval, split into requests that are each below the limit of the receiver. */
export function toMetrics(
  sent: readonly Sent[],
  interval: Interval,
  resource: Readonly<Record<string, string>>,
  scope: Scope,
  maxBytes: number,
): readonly Metrics[] {
  const batches: MetricData[][] = [];
  let batch: MetricData[] = [];
  const envelope = 300 + tagBytes(resource);
  let bytes = envelope;
  const close = (): void => {
    if (batch.length > 0) batches.push(batch);
    batch = [];
    bytes = envelope;
  };
  for (const metric of sent) {
    const head = headOf(metric);
    const headBytes = 200 + JSON.stringify(head).length;
    let points: DataPoint[] | undefined;
    for (const point of metric.points as readonly TimedPoint<number | Histogram>[]) {
      const size = pointBytes(point.tags, metric.kind);
      if (bytes + headBytes + size > maxBytes) {
        close();
        points = undefined;
      }
      if (points === undefined) {
        points = [];
        batch.push({ ...head, dataPoints: points });
        bytes += headBytes;
      }
      points.push({
        attributes: point.tags,
        startTime: [point.start ?? interval.start, 0],
        endTime: [point.end ?? interval.end, 0],
        value: typeof point.value === "number" ? point.value : toHistogram(point.value),
      });
      bytes += size;
    }
  }
  close();
  return batches.map((metrics) => ({ resource: { attributes: resource }, scopeMetrics: [{ scope, metrics }] }));
}

function headOf(sent: Sent): Omit<MetricData, "dataPoints"> {
  const { metric, kind } = sent;
  const integer = kind !== "histogram" && metric.unit.startsWith("{");
  return {
    descriptor: { name: metric.name, description: metric.description, unit: metric.unit, valueType: integer ? 0 : 1 },
    aggregationTemporality: "cumulative" in sent ? 1 : 0,
    dataPointType: kind === "histogram" ? 0 : kind === "gauge" ? 2 : 3,
    ...(kind === "sum" && { isMonotonic: true }),
  };
}

function toHistogram({ count, sum, min, max, counts }: Histogram) {
  return { buckets: { boundaries: DURATION_BOUNDS, counts }, count, sum, min, max };
}

/** At least what a point takes as OTLP JSON, which is the larger of the two encodings. */
function pointBytes(tags: Tags, kind: Taken["kind"]): number {
  return (kind === "histogram" ? 700 : 160) + tagBytes(tags);
}

function tagBytes(tags: Tags): number {
  let bytes = 0;
  for (const name in tags)
    bytes += 45 + Buffer.byteLength(JSON.stringify(name)) + Buffer.byteLength(JSON.stringify(tags[name]));
  return bytes;
}
