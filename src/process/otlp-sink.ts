import type { MetricPoint, PointSink } from "../billing/points.ts";
import { SpendfuseError } from "../core/errors.ts";
import { createDelivery } from "../meter/export/delivery.ts";
import { loadEncoder } from "../meter/export/encoder.ts";
import type { Endpoint } from "../meter/export/endpoint.ts";
import { toMetrics } from "../meter/export/points.ts";
import { VERSION } from "../package/version.ts";

const MAX_BYTES = 400_000;
const CONNECT_MS = 10_000;

/**
 * Points as OTLP gauges, and corrections as sums, for users without Datadog. What happens to a gauge of a past day depends
 * on the backend.
 */
export function createOtlpSink(endpoint: Endpoint, resource: Readonly<Record<string, string>>): PointSink {
  const scope = { name: "spendfuse", version: VERSION };
  return {
    name: `otlp ${endpoint.metrics?.url ?? ""}`,
    async send(points) {
      // The exporter's requests do not keep a process alive.
      const hold = setInterval(() => {}, 1_000);
      try {
        await sendAll(points);
      } finally {
        clearInterval(hold);
      }
    },
  };

  async function sendAll(points: readonly MetricPoint[]): Promise<void> {
    const deliver = createDelivery(endpoint, await loadEncoder());
    for (const [at, some] of Map.groupBy(points, (point) => point.at)) {
      const seconds = Math.floor(at / 1_000);
      for (const data of toMetrics(takenOf(some), { start: seconds - 1, end: seconds }, resource, scope, MAX_BYTES)) {
        const outcome = await deliver({ signal: "metrics", data }, { connectMs: CONNECT_MS });
        if (outcome.type === "sent" && outcome.rejected === 0) continue;
        throw new SpendfuseError(
          "SPENDFUSE_EXPORT",
          `points were not taken: ${outcome.reason}; check OTEL_EXPORTER_OTLP_ENDPOINT and that its receiver runs`,
        );
      }
    }
  }
}

function takenOf(points: readonly MetricPoint[]) {
  return [...Map.groupBy(points, ({ metric }) => metric)].map(([metric, some]) => ({
    kind: metric.kind === "counter" ? ("sum" as const) : ("gauge" as const),
    metric,
    points: some.map(({ tags, value }) => ({ tags, value })),
  }));
}
