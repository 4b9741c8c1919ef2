import type { IncomingMessage } from "node:http";
import type { Answer, Route, Routes } from "../http/exchange.ts";
import { BodyFault, parseJson, readUnpacked } from "./body.ts";
import { type MetricConfig, type MetricsRequest, readMetricsRequest, takeMetrics } from "./intake/otlp.ts";
import { TRACES_SCHEMA } from "./intake/otlp-schema.ts";
import { readProtobuf } from "./intake/protobuf.ts";
import { fromFirst, takeSeries } from "./intake/v2-series.ts";
import type { Sandbox } from "./sandbox.ts";

/** Receives metrics and spans: OTLP over HTTP, and Datadog's own series. */
export interface Intake {
  readonly routes: Routes;
  /** Spans that came. None is kept. */
  readonly spans: number;
}

const METRICS_LIMITS = { sent: 512_000, unpacked: 5_242_880 };
const TRACES_LIMITS = { sent: 3_200_000, unpacked: 32_000_000 };

export function createIntake({ store, clock }: Sandbox): Intake {
  let spans = 0;

  async function metrics(request: IncomingMessage): Promise<Answer> {
    const bytes = await readUnpacked(request, METRICS_LIMITS);
    const protobuf = isProtobuf(request);
    const read = protobuf ? unpack(() => readMetricsRequest(bytes)) : (parseJson(bytes) as MetricsRequest);
    const config = configOf(request);
    const partial = unpack(() => takeMetrics(read, config, store, clock.at));
    if (protobuf) return { status: 200, headers: { "content-type": "application/x-protobuf" } };
    return { status: 200, body: partial === undefined ? {} : { partialSuccess: partial } };
  }

  async function traces(request: IncomingMessage): Promise<Answer> {
    const bytes = await readUnpacked(request, TRACES_LIMITS);
    const protobuf = isProtobuf(request);
    // Datadog's own intake has no JSON; a Collector, which needs no key, has.
    if (!protobuf && request.headers["dd-api-key"] !== undefined)
      return { status: 415, body: { errors: ["http/json is not supported for traces"] } };
    const read = (
      protobuf ? unpack(() => readProtobuf(bytes, TRACES_SCHEMA, "Request")) : (parseJson(bytes) ?? {})
    ) as TracesRequest;
    spans += unpack(() => countSpans(read));
    return protobuf
      ? { status: 202, headers: { "content-type": "application/x-protobuf" } }
      : { status: 200, body: {} };
  }

  async function series(request: IncomingMessage): Promise<Answer> {
    if (!request.headers["dd-api-key"]) return { status: 403, body: { errors: ["Forbidden"] } };
    const body = parseJson(await readUnpacked(request, METRICS_LIMITS));
    return unpack(() => takeSeries(body, store, clock.at));
  }

  async function firstSeries(request: IncomingMessage): Promise<Answer> {
    if (!request.headers["dd-api-key"]) return { status: 403, body: { errors: ["Forbidden"] } };
    const body = parseJson(await readUnpacked(request, METRICS_LIMITS));
    const { status, body: answer } = unpack(() => takeSeries(fromFirst(body), store, clock.at));
    if (status === 400) return { status, body: answer };
    return { status, body: { status: "ok" }, headers: { "content-type": "text/json" } };
  }

  const post = (take: (request: IncomingMessage) => Promise<Answer>): { readonly POST: Route } => ({
    POST: ({ request }) => take(request),
  });

  return {
    // An OTLP exporter configured for a Collector sends no key.
    routes: {
      "/v1/metrics": post(metrics),
      "/v1/traces": post(traces),
      "/api/v1/series": post(firstSeries),
      "/api/v2/series": post(series),
    },
    get spans() {
      return spans;
    },
  };
}

interface TracesRequest {
  readonly resourceSpans?: readonly { readonly scopeSpans?: readonly { readonly spans?: readonly unknown[] }[] }[];
}

function countSpans({ resourceSpans = [] }: TracesRequest): number {
  let count = 0;
  for (const { scopeSpans = [] } of resourceSpans) for (const scope of scopeSpans) count += scope.spans?.length ?? 0;
  return count;
}

function isProtobuf(request: IncomingMessage): boolean {
  return request.headers["content-type"]?.startsWith("application/x-protobuf") === true;
}

function unpack<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new BodyFault(400, `the body is no OTLP of this kind: ${(error as Error).message}`);
  }
}

function configOf(request: IncomingMessage): MetricConfig {
  const header = request.headers["dd-otel-metric-config"];
  if (typeof header !== "string") return {};
  try {
    return JSON.parse(header) as MetricConfig;
  } catch {
    throw new BodyFault(400, "dd-otel-metric-config is not JSON");
  }
}
