import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

/** What arrived for one agent. */
export interface Received {
  /** Nano-USD. */
  cost: number;
  tokens: number;
  calls: number;
}

/** A receiver of OTLP metrics (HTTP, JSON, gzip), in the place of Datadog or a Collector. It adds up what comes. */
export interface OtlpReceiver {
  readonly metricsUrl: string;
  readonly byAgent: ReadonlyMap<string, Received>;
  close(): Promise<void>;
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

interface Point {
  readonly attributes?: readonly Attribute[];
  readonly asDouble?: number;
  readonly asInt?: number | string;
}

interface Metric {
  readonly name: string;
  readonly sum?: { readonly dataPoints?: readonly Point[]; readonly aggregationTemporality?: number };
}

interface MetricsRequest {
  readonly resourceMetrics?: readonly { readonly scopeMetrics?: readonly { readonly metrics?: readonly Metric[] }[] }[];
}

const DELTA = 1;

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const byAgent = new Map<string, Received>();

  function take(request: MetricsRequest): void {
    for (const resource of request.resourceMetrics ?? [])
      for (const scope of resource.scopeMetrics ?? []) for (const metric of scope.metrics ?? []) takeMetric(metric);
  }

  function takeMetric({ name, sum }: Metric): void {
    if (sum?.aggregationTemporality !== DELTA) return;
    for (const point of sum.dataPoints ?? []) {
      const agent = point.attributes?.find((one) => one.key === "agent")?.value.stringValue;
      if (agent === undefined) continue;
      const value = Number(point.asDouble ?? point.asInt ?? 0);
      const row = byAgent.get(agent) ?? { cost: 0, tokens: 0, calls: 0 };
      byAgent.set(agent, row);
      if (name === "spendfuse.cost") row.cost += Math.round(value * 1e9);
      if (name === "spendfuse.tokens") row.tokens += value;
      if (name === "spendfuse.calls") row.calls += value;
    }
  }

  const server = createServer(async (request, response) => {
    try {
      const body = await readBody(request);
      if (request.url === "/v1/metrics") take(JSON.parse(body) as MetricsRequest);
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    } catch {
      response.writeHead(400).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    metricsUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/metrics`,
    byAgent,
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  return (request.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes).toString("utf8");
}
