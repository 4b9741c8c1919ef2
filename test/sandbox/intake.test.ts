import { gzipSync } from "node:zlib";
import { client as datadog, v1, v2 } from "@datadog/datadog-api-client";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { METRICS } from "../../src/core/names.ts";
import { loadEncoder } from "../../src/meter/export/encoder.ts";
import { realClock } from "../../src/sandbox/clock.ts";
import { readMetricsRequest } from "../../src/sandbox/intake/otlp.ts";
import { createSandbox, type Sandbox } from "../../src/sandbox/sandbox.ts";
import { type SandboxServer, startSandboxServer } from "../../src/sandbox/server.ts";

let sandbox: Sandbox;
let server: SandboxServer;
beforeAll(async () => {
  sandbox = createSandbox({ clock: realClock() });
  server = await startSandboxServer(sandbox, { port: 0 });
});
afterAll(() => server.close());

const now = Math.floor(Date.now() / 1_000);

/** What our exporter sends for two agents, a gauge and a histogram. */
function contentOf(agent: string) {
  const point = (value: unknown, attributes: object) => ({
    attributes,
    startTime: [now - 10, 0],
    endTime: [now, 0],
    value,
  });
  const head = (name: string, unit: string, valueType: 0 | 1) => ({ name, description: "", unit, valueType });
  return {
    signal: "metrics",
    data: {
      resource: { attributes: { "service.name": "Shop" } },
      scopeMetrics: [
        {
          scope: { name: "spendfuse" },
          metrics: [
            {
              descriptor: head("spendfuse.cost", "USD", 1),
              aggregationTemporality: 0,
              dataPointType: 3,
              isMonotonic: true,
              dataPoints: [point(0.25, { agent }), point(0.5, { agent, team: "Search Team" })],
            },
            {
              descriptor: head("spendfuse.spool.pending", "{file}", 0),
              aggregationTemporality: 0,
              dataPointType: 2,
              dataPoints: [point(7, { agent })],
            },
            {
              descriptor: head("gen_ai.client.inference.duration", "s", 1),
              aggregationTemporality: 0,
              dataPointType: 0,
              dataPoints: [
                point(
                  { buckets: { boundaries: [1, 2], counts: [1, 1, 1] }, count: 3, sum: 4.5, min: 0.5, max: 2.5 },
                  { agent },
                ),
              ],
            },
          ],
        },
      ],
    },
  } as never;
}

function totals(agent: string): object {
  const of = (metric: string) =>
    sandbox.store
      .select(metric, (tags) => tags.get("agent")?.[0] === agent)
      .map(({ tags, type, cells }) => [type, cells.raw.values.at(-1), tags.get("service")?.[0], tags.get("team")?.[0]]);
  return {
    cost: of("spendfuse.cost"),
    pending: of("spendfuse.spool.pending"),
    durations: [of("gen_ai.client.inference.duration.count"), of("gen_ai.client.inference.duration.sum")],
  };
}

const EXPECTED = {
  cost: [
    ["count", 0.25, "shop", undefined],
    ["count", 0.5, "shop", "search_team"],
  ],
  pending: [["gauge", 7, "shop", undefined]],
  durations: [[["count", 3, "shop", undefined]], [["count", 4.5, "shop", undefined]]],
};

async function send(path: string, body: Uint8Array, headers: Record<string, string>): Promise<Response> {
  return await fetch(`${server.url}${path}`, { method: "POST", headers, body: new Uint8Array(body) });
}

describe("OTLP, as OpenTelemetry's own serializers write it", () => {
  test.each([
    ["json", "application/json"],
    ["protobuf", "application/x-protobuf"],
  ] as const)("metrics as %s, plain and gzipped", async (encoding, type) => {
    const { encode } = await loadEncoder();
    for (const gzip of [false, true]) {
      const agent = `${encoding}-${gzip}`;
      const bytes = encode(contentOf(agent), encoding);
      const headers = { "content-type": type, ...(gzip && { "content-encoding": "gzip" }) };
      const response = await send("/v1/metrics", gzip ? gzipSync(bytes) : bytes, headers);
      expect(response.status).toBe(200);
      expect(totals(agent)).toEqual(EXPECTED);
    }
  });

  test("spans as protobuf are counted", async () => {
    const { JsonTraceSerializer, ProtobufTraceSerializer } = await import("@opentelemetry/otlp-transformer");
    const span = {
      name: "chat gpt-5",
      kind: 2,
      spanContext: () => ({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 }),
      startTime: [now - 1, 0],
      endTime: [now, 0],
      status: { code: 0 },
      attributes: { "gen_ai.agent.name": "a" },
      links: [],
      events: [],
      duration: [1, 0],
      ended: true,
      resource: { attributes: {} },
      instrumentationScope: { name: "spendfuse" },
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    } as never;
    const protobuf = ProtobufTraceSerializer.serializeRequest([span, span]) as Uint8Array;
    expect((await send("/v1/traces", protobuf, { "content-type": "application/x-protobuf" })).status).toBe(202);
    const counted = async (): Promise<number> => {
      const response = await fetch(`${server.url}/sandbox/state`);
      return ((await response.json()) as { intake: { spans: number } }).intake.spans;
    };
    expect(await counted()).toBe(2);
    const json = JsonTraceSerializer.serializeRequest([span]) as Uint8Array;
    const type = { "content-type": "application/json" };
    expect((await send("/v1/traces", json, { ...type, "dd-api-key": "k" })).status).toBe(415);
    expect((await send("/v1/traces", json, type)).status).toBe(200);
    expect(await counted()).toBe(3);
  });

  test("bytes that are none of it are refused and never break it", async () => {
    const { encode } = await loadEncoder();
    const good = encode(contentOf("fuzz"), "protobuf");
    fc.assert(
      fc.property(fc.integer({ min: 0, max: good.length - 1 }), fc.uint8Array({ maxLength: 40 }), (at, noise) => {
        const bytes = Uint8Array.from([...good.slice(0, at), ...noise]);
        try {
          readMetricsRequest(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 500 },
    );
    for (const body of [
      "",
      "{",
      "[]",
      "null",
      '{"resourceMetrics":5}',
      '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{}]}]}]}',
    ]) {
      const { status } = await send("/v1/metrics", Buffer.from(body), { "content-type": "application/json" });
      expect([200, 400]).toContain(status);
    }
    expect((await fetch(`${server.url}/sandbox/state`)).status).toBe(200);
  });
});

describe("Datadog's own client", () => {
  const configuration = datadog.createConfiguration({
    serverIndex: 1,
    authMethods: { apiKeyAuth: "a", appKeyAuth: "b" },
  });
  beforeAll(() => {
    configuration.setServerVariables({ name: new URL(server.url).host, protocol: "http" });
    for (const name of ["createHistoricalMetricsConfiguration", "listHistoricalMetricsConfigurations"])
      configuration.unstableOperations[`v2.${name}`] = true;
  });

  test("submits series, and reads them with a query", async () => {
    const points = [0, 60, 120].map((ago) => ({ timestamp: now - 600 + ago, value: 2 }));
    const { errors } = await new v2.MetricsApi(configuration).submitMetrics({
      body: { series: [{ metric: "spendfuse.billed.month_to_date", type: 3, points, tags: ["vendor:openai"] }] },
      contentEncoding: "gzip",
    });
    expect(errors).toEqual([]);
    const { series } = await new v1.MetricsApi(configuration).queryMetrics({
      from: now - 900,
      to: now,
      query: "avg:spendfuse.billed.month_to_date{*} by {vendor}",
    });
    expect(series?.map(({ scope, pointlist }) => [scope, pointlist?.map(([, value]) => value)])).toEqual([
      ["vendor:openai", [2, 2, 2]],
    ]);
  });

  test("past points vanish, until historical ingestion is on for their metric", async () => {
    const metrics = new v2.MetricsApi(configuration);
    const day = now - 20 * 86_400;
    const submit = () =>
      metrics.submitMetrics({
        body: {
          series: [
            {
              metric: METRICS.billedCost.name,
              type: 3,
              points: [{ timestamp: day, value: 5 }],
              tags: ["vendor:openai"],
            },
          ],
        },
      });
    await submit();
    expect(sandbox.store.has(METRICS.billedCost.name)).toBe(false);
    await metrics.createHistoricalMetricsConfiguration({
      body: { data: { id: METRICS.billedCost.name, type: "historical_metrics_configurations" } },
    });
    await submit();
    await submit();
    const [series] = sandbox.store.select(METRICS.billedCost.name, () => true);
    expect(series?.cells.raw).toEqual({ times: [day], values: [5] });
  });

  test("without a key nothing is taken", async () => {
    expect((await send("/api/v2/series", Buffer.from('{"series":[]}'), {})).status).toBe(403);
    expect((await fetch(`${server.url}/api/v1/monitor`)).status).toBe(401);
    expect((await fetch(`${server.url}/api/v1/monitor`, { headers: { "dd-api-key": "a" } })).status).toBe(403);
    expect(
      (await fetch(`${server.url}/api/v1/nothing`, { headers: { "dd-api-key": "a", "dd-application-key": "b" } }))
        .status,
    ).toBe(404);
  });
});
