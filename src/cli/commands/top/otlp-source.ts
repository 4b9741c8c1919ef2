import type { IncomingMessage } from "node:http";
import { METRICS } from "../../../core/names.ts";
import { type Answer, findRoute, type Routes } from "../../../http/exchange.ts";
import { serveHttp } from "../../../http/server.ts";
import { BodyFault, parseJson, readUnpacked } from "../../../sandbox/body.ts";
import { type MetricsRequest, readMetricsRequest } from "../../../sandbox/intake/otlp.ts";
import { type Grouping, type Source, type Total, totalOf } from "./source.ts";

const LIMITS = { sent: 4_000_000, unpacked: 32_000_000 };
const DELTA: ReadonlySet<unknown> = new Set([1, "AGGREGATION_TEMPORALITY_DELTA"]);
const PROTOBUF = "application/x-protobuf";

/** What processes have sent since we listen. @throws SpendfuseError `SPENDFUSE_CONFIG` where the port is taken */
export async function openOtlpSource(port: number, by: Grouping): Promise<Source & { readonly url: string }> {
  const received = createReceived(by);
  const routes: Routes = {
    "/v1/metrics": { POST: async ({ request }) => receive(request, received) },
    "/v1/traces": { POST: ({ request }) => ignore(request) },
    "/v1/logs": { POST: ({ request }) => ignore(request) },
  };
  const server = await serveHttp({
    name: "spendfuse top",
    port,
    async route(exchange) {
      const match = findRoute(routes, exchange);
      return match.type === "route" ? await match.route(exchange) : { status: 404 };
    },
    failed: (error) =>
      error instanceof BodyFault ? { status: error.status, body: { message: error.message } } : { status: 500 },
  });
  return {
    url: server.url,
    title: `metrics sent to ${server.url}`,
    read: async () => received.totals,
    close: () => server.close(),
  };
}

async function receive(request: IncomingMessage, received: Received): Promise<Answer> {
  const bytes = await readUnpacked(request, LIMITS);
  const protobuf = request.headers["content-type"]?.startsWith(PROTOBUF) === true;
  received.take(protobuf ? read(bytes) : ((parseJson(bytes) ?? {}) as MetricsRequest));
  return protobuf ? { status: 200, headers: { "content-type": PROTOBUF } } : { status: 200, body: {} };
}

function read(bytes: Uint8Array): MetricsRequest {
  try {
    return readMetricsRequest(bytes);
  } catch (error) {
    throw new BodyFault(400, `the body is no OTLP metrics request: ${(error as Error).message}`);
  }
}

async function ignore(request: IncomingMessage): Promise<Answer> {
  await readUnpacked(request, LIMITS);
  return { status: 200, body: {} };
}

export interface Received {
  readonly totals: ReadonlyMap<string, Total>;
  take(request: MetricsRequest): void;
}

type Attributes = readonly { readonly key: string; readonly value?: { readonly stringValue?: string } }[];

/** Adds up our counters, of either temporality: of a running total, what it grew by since it was seen last. */
export function createReceived(by: Grouping): Received {
  const totals = new Map<string, Total>();
  const last = new Map<string, number>();

  function growth(series: string, value: number): number {
    const before = last.get(series) ?? 0;
    last.set(series, value);
    // A process that began again counts from zero.
    return value >= before ? value - before : value;
  }

  function add(metric: string, attributes: Attributes, value: number): void {
    const of = (name: string): string | undefined => attributes.find(({ key }) => key === name)?.value?.stringValue;
    const total = totalOf(totals, of(by) || "-");
    if (metric === METRICS.tokens.name) total.tokens += value;
    else if (metric === METRICS.calls.name) {
      if (of("ending") === "blocked") return;
      total.calls += value;
      if (of("quality") !== "reported" || of("priced") === "partial" || of("priced") === "false")
        total.inexact += value;
    } else total.nano += Math.round(value * 1e9);
  }

  return {
    totals,
    take({ resourceMetrics = [] }) {
      for (const { resource, scopeMetrics = [] } of resourceMetrics)
        for (const { name, sum } of scopeMetrics.flatMap(({ metrics = [] }) => metrics)) {
          if (sum === undefined || !COUNTED.has(name)) continue;
          const delta = DELTA.has(sum.aggregationTemporality);
          for (const { attributes = [], asDouble, asInt } of sum.dataPoints ?? []) {
            const value = asDouble ?? Number(asInt ?? 0);
            if (!Number.isFinite(value)) continue;
            const series = (): string => JSON.stringify([name, resource?.attributes, attributes]);
            add(name, attributes as Attributes, delta ? value : growth(series(), value));
          }
        }
    },
  };
}

const COUNTED: ReadonlySet<string> = new Set(
  [METRICS.cost, METRICS.charges, METRICS.calls, METRICS.tokens].map(({ name }) => name),
);
