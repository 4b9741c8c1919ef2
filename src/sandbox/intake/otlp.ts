import type { SeriesStore } from "../series/series.ts";
import { METRICS_SCHEMA } from "./otlp-schema.ts";
import { readProtobuf } from "./protobuf.ts";

interface Attribute {
  readonly key: string;
  readonly value?: {
    readonly stringValue?: string;
    readonly boolValue?: boolean;
    readonly intValue?: number | string;
    readonly doubleValue?: number;
  };
}

interface Point {
  readonly timeUnixNano?: number | string;
  readonly asDouble?: number;
  readonly asInt?: number | string;
  readonly count?: number | string;
  readonly sum?: number;
  readonly attributes?: readonly Attribute[];
  readonly flags?: number;
}

interface Data {
  readonly dataPoints?: readonly Point[];
  readonly aggregationTemporality?: number | string;
  readonly isMonotonic?: boolean;
}

interface Metric {
  readonly name: string;
  readonly gauge?: Data;
  readonly sum?: Data;
  readonly histogram?: Data;
  readonly exponentialHistogram?: Data;
  readonly summary?: Data;
}

export interface MetricsRequest {
  readonly resourceMetrics?: readonly {
    readonly resource?: { readonly attributes?: readonly Attribute[] };
    readonly scopeMetrics?: readonly { readonly metrics?: readonly Metric[] }[];
  }[];
}

/** The header `dd-otel-metric-config`. */
export interface MetricConfig {
  readonly resource_attributes_as_tags?: boolean;
}

/** What was rejected, in OTLP's own terms. */
export interface Partial {
  readonly rejectedDataPoints: number;
  readonly errorMessage: string;
}

const DELTA: ReadonlySet<unknown> = new Set([1, "AGGREGATION_TEMPORALITY_DELTA"]);
const NO_VALUE = 1;
/** The resource attributes that become tags in any case, and as what. */
const MAPPED: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "service.name": "service",
    "service.version": "version",
    "deployment.environment.name": "env",
    "deployment.environment": "env",
  }),
);

/** @throws RangeError when the bytes are no such request. */
export function readMetricsRequest(bytes: Uint8Array): MetricsRequest {
  return readProtobuf(bytes, METRICS_SCHEMA, "Request") as MetricsRequest;
}

/**
 * Takes the points of a request: delta sums as counts, gauges and sums that may fall as gauges, a histogram as the counts
 * `name.count` and `name.sum`. Running totals are not taken, as Datadog's own intake does not.
 * @param toTime Seconds of the sandbox's clock for seconds of a point.
 */
export function takeMetrics(
  request: MetricsRequest,
  config: MetricConfig,
  store: SeriesStore,
  toTime: (seconds: number) => number,
): Partial | undefined {
  let rejected = 0;
  const kinds = new Set<string>();

  function reject(kind: string, { dataPoints = [] }: Data): void {
    rejected += dataPoints.length;
    kinds.add(kind);
    for (const _ of dataPoints) store.drop("temporality");
  }

  for (const { resource, scopeMetrics = [] } of request.resourceMetrics ?? []) {
    const common = resourceTags(resource?.attributes ?? [], config.resource_attributes_as_tags === true);
    const prefix = common.join("\u0001");
    const take = (name: string, type: "count" | "gauge", point: Point, value: number): void => {
      const { attributes = [] } = point;
      const time = toTime(Number(point.timeUnixNano) / 1e9);
      store.write(name, type, prefix + aliasOf(attributes), () => [...common, ...attributes.map(tagOf)], time, value);
    };
    for (const { metrics = [] } of scopeMetrics) {
      for (const { name, gauge, sum, histogram, ...others } of metrics) {
        for (const [kind, data] of Object.entries(others)) if (DATA.has(kind)) reject(kind, data as Data);
        for (const point of gauge?.dataPoints ?? []) take(name, "gauge", point, valueOfPoint(point));
        if (sum !== undefined) {
          const delta = DELTA.has(sum.aggregationTemporality);
          if (!delta && sum.isMonotonic === true) reject("cumulative monotonic sum", sum);
          else
            for (const point of sum.dataPoints ?? []) take(name, delta ? "count" : "gauge", point, valueOfPoint(point));
        }
        if (histogram !== undefined) {
          if (!DELTA.has(histogram.aggregationTemporality)) reject("cumulative histogram", histogram);
          else
            for (const point of histogram.dataPoints ?? []) {
              take(`${name}.count`, "count", point, Number(point.count ?? 0));
              take(`${name}.sum`, "count", point, point.sum ?? 0);
            }
        }
      }
    }
  }
  if (rejected === 0) return undefined;
  return { rejectedDataPoints: rejected, errorMessage: `does not accept ${[...kinds].join(", ")} metrics` };
}

const DATA: ReadonlySet<string> = new Set(["exponentialHistogram", "summary"]);

function valueOfPoint({ asDouble, asInt, flags = 0 }: Point): number {
  if ((flags & NO_VALUE) !== 0) return Number.NaN;
  return asDouble ?? (asInt === undefined ? Number.NaN : Number(asInt));
}

function resourceTags(attributes: readonly Attribute[], all: boolean): readonly string[] {
  const tags: string[] = [];
  for (const attribute of attributes) {
    const mapped = MAPPED.get(attribute.key);
    if (mapped !== undefined) tags.push(`${mapped}:${textOf(attribute)}`);
    if (all) tags.push(tagOf(attribute));
  }
  return tags;
}

function aliasOf(attributes: readonly Attribute[]): string {
  let alias = "";
  for (const attribute of attributes) alias += `\u0001${attribute.key}\u0000${textOf(attribute)}`;
  return alias;
}

function tagOf(attribute: Attribute): string {
  return `${attribute.key}:${textOf(attribute)}`;
}

function textOf({ value }: Attribute): string {
  return value?.stringValue ?? String(value?.intValue ?? value?.doubleValue ?? value?.boolValue ?? "");
}
