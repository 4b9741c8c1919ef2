import type { MetricPoint, PointSink } from "../billing/points.ts";
import { SpendfuseError } from "../core/errors.ts";
import type { Client } from "./client.ts";
import { datadogUnit } from "./metric-units.ts";
import { refusalOf } from "./rest/refusal.ts";

/** Series per request: below the 500 KB that Datadog takes, with the longest tags. */
const SERIES = 250;
const COUNT = 1;
const GAUGE = 3;
/** Points as series of Datadog's own API, which takes old ones where historical ingestion is on for the metric. */
export function createSeriesSink({ v2, configuration, app }: Client): PointSink {
  const api = new v2.MetricsApi(configuration);

  async function submit(points: readonly MetricPoint[]): Promise<void> {
    const series = points.map(({ metric, tags, at, value }) => {
      // The client would silently write it as null.
      if (!Number.isFinite(value)) throw new RangeError(`${metric.name} is not a number`);
      const unit = datadogUnit(metric.unit);
      return {
        metric: metric.name,
        type: (metric.kind === "counter" ? COUNT : GAUGE) as never,
        ...(unit !== undefined && { unit }),
        points: [{ timestamp: Math.floor(at / 1_000), value }],
        tags: Object.entries(tags).map(([name, text]) => `${name}:${text}`),
      };
    });
    let errors: readonly string[] | undefined;
    try {
      ({ errors } = await api.submitMetrics({ body: { series } }));
    } catch (error) {
      throw new SpendfuseError("SPENDFUSE_DATADOG", `points were not taken: ${refusalOf(error).message}`, {}, error);
    }
    // A 202 may list what was rejected.
    if (errors !== undefined && errors.length > 0)
      throw new SpendfuseError("SPENDFUSE_DATADOG", `points were not taken: ${errors.join("; ")}`, { errors });
  }

  return {
    name: `datadog ${app}`,
    async send(points) {
      for (let at = 0; at < points.length; at += SERIES) await submit(points.slice(at, at + SERIES));
    },
  };
}
