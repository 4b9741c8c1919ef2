import { v2 } from "@datadog/datadog-api-client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createMonitorRound } from "../../src/cli/commands/breaker/datadog.ts";
import { command } from "../../src/cli/commands/deploy.ts";
import { METRICS } from "../../src/core/names.ts";
import { openClient } from "../../src/datadog/client.ts";
import { createCustomCosts } from "../../src/datadog/custom-costs.ts";
import { openRest } from "../../src/datadog/rest/rest.ts";
import { createSeriesSink } from "../../src/datadog/series-sink.ts";
import { realClock } from "../../src/sandbox/clock.ts";
import { createSandbox } from "../../src/sandbox/sandbox.ts";
import { type SandboxServer, startSandboxServer } from "../../src/sandbox/server.ts";
import { openMemory } from "../../src/stores/memory.ts";

/**
 * What is sent to version 2 of the API, whose description is not beside the checkout, by the types of Datadog's own
 * client. `required` are keys that its documentation demands and the client does not.
 */
const SHAPES: readonly {
  readonly request: RegExp;
  readonly type: string;
  readonly list?: boolean;
  readonly required?: readonly string[];
}[] = [
  { request: /^POST \/api\/v2\/metrics\/[\w.]+\/tags$/, type: "MetricTagConfigurationCreateRequest" },
  { request: /^PATCH \/api\/v2\/metrics\/[\w.]+\/tags$/, type: "MetricTagConfigurationUpdateRequest" },
  {
    request: /^POST \/api\/v2\/metrics\/historical-metrics-configurations$/,
    type: "HistoricalMetricsConfigurationCreateRequest",
  },
  { request: /^POST \/api\/v2\/series$/, type: "MetricPayload" },
  {
    request: /^PUT \/api\/v2\/cost\/custom_costs$/,
    type: "CustomCostsFileLineItem",
    list: true,
    required: [
      "ProviderName",
      "ChargeDescription",
      "ChargePeriodStart",
      "ChargePeriodEnd",
      "BilledCost",
      "BillingCurrency",
    ],
  },
];

interface Sent {
  readonly request: string;
  readonly body: unknown;
}

let server: SandboxServer;
let sent: Sent[];
let env: Record<string, string>;

beforeEach(async () => {
  sent = [];
  const sandbox = createSandbox({ clock: realClock() });
  // Metadata and tag configurations are only of metrics that have a point.
  const now = sandbox.clock.now();
  for (const { name, kind } of Object.values(METRICS))
    sandbox.store.write(name, kind === "gauge" ? "gauge" : "count", "", () => [], now, 1);
  server = await startSandboxServer(sandbox, { port: 0 });
  env = { DD_API_KEY: "a", DD_APP_KEY: "b", SPENDFUSE_DD_API_URL: server.url };
  for (const [name, value] of Object.entries({ ...env, SPENDFUSE_WEBHOOK_SECRET: "a-secret-of-sixteen" }))
    vi.stubEnv(name, value);
  const real = globalThis.fetch;
  vi.stubGlobal("fetch", (url: string, init: RequestInit = {}) => {
    if (init.body !== undefined && init.body !== null)
      sent.push({ request: `${init.method} ${new URL(url).pathname}`, body: JSON.parse(String(init.body)) });
    return real(url, init);
  });
});
afterEach(async () => {
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
  await server.close();
});

/** What is wrong with a body by the client's types, in words. */
function faults({ request, body }: Sent): readonly string[] {
  const shape = SHAPES.find((one) => one.request.test(request));
  if (shape === undefined) return [`${request}: of no known type`];
  const found: string[] = [];
  const bodies = shape.list ? (body as readonly object[]) : [body as object];
  for (const one of bodies) {
    for (const key of shape.required ?? []) if (!(key in one)) found.push(`${key} is missing`);
    try {
      found.push(...unread(v2.ObjectSerializer.deserialize(one, shape.type, "")));
    } catch (error) {
      found.push((error as Error).message);
    }
  }
  return found.map((why) => `${request}: ${why}`);
}

/** What the client's types do not know: keys, values of a list of words. */
function unread(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null) return [];
  const { _unparsed, additionalProperties } = value as { _unparsed?: boolean; additionalProperties?: object };
  const found = Object.keys(additionalProperties ?? {}).map((key) => `${path} has the unknown key "${key}"`);
  if (_unparsed === true) found.push(`${path} is not understood`);
  for (const [key, inner] of Object.entries(value))
    if (key !== "additionalProperties") found.push(...unread(inner, `${path}/${key}`));
  return found;
}

function ofVersion2(): readonly Sent[] {
  return sent.filter(({ request }) => request.includes("/api/v2/"));
}

describe("bodies that are sent to version 2 of the API", () => {
  test("of a deploy", { timeout: 60_000 }, async () => {
    const rest = openRest({ env });
    // A list of the user's own, to which the tag is added.
    const attributes = { metric_type: "count", tags: ["model"], exclude_tags_mode: true };
    const own = { data: { type: "manage_tags", id: "spendfuse.cost", attributes } };
    await rest.ask("POST", "/api/v2/metrics/spendfuse.cost/tags", own);
    sent = [];
    const spies = [vi.spyOn(console, "log"), vi.spyOn(console, "error")].map((spy) => spy.mockImplementation(() => {}));
    const code = await command.run([
      "--notify",
      "@oncall-x",
      "--webhook-url",
      "https://b.example.com/webhooks/datadog",
    ]);
    for (const spy of spies) spy.mockRestore();
    expect(code).toBe(0);
    const shapes = SHAPES.slice(0, 3).filter(({ request }) => ofVersion2().some((one) => request.test(one.request)));
    expect(shapes).toHaveLength(3);
    expect(ofVersion2().flatMap(faults)).toEqual([]);
  });

  test("of a poll: points and custom costs", async () => {
    const client = await openClient({ env, user: "test" });
    const tags = { vendor: "openai", agent: "a" };
    const at = Date.now();
    const metrics = [METRICS.billedMonthToDate, METRICS.driftRatio, METRICS.pollLag, METRICS.cost];
    await createSeriesSink(client).send(metrics.map((metric) => ({ metric, tags, at, value: 1.5 })));
    const day = Math.floor(at / 86_400_000) * 86_400_000 - 86_400_000;
    await createCustomCosts(openRest({ env })).replace(
      "OpenAI",
      day,
      [{ description: "gpt-5", usd: 1.25, tags }],
      undefined,
    );
    expect(ofVersion2().map(({ request }) => request)).toEqual([
      "POST /api/v2/series",
      "PUT /api/v2/cost/custom_costs",
    ]);
    expect(ofVersion2().flatMap(faults)).toEqual([]);
  });

  test("of a breaker: whether monitors can open circuits", async () => {
    const options = { store: openMemory(), poll: false, ttlMs: 1, everyMs: 1, tags: [], say: () => {} };
    await createMonitorRound(openRest({ env }), { ...options, clock: Date.now })();
    expect(ofVersion2().map(({ request }) => request)).toEqual(["POST /api/v2/series"]);
    expect(ofVersion2().flatMap(faults)).toEqual([]);
  });
});

test.each<[string, Sent, RegExp]>([
  ["an unknown path", { request: "POST /api/v2/downtime", body: {} }, /of no known type/],
  [
    "an unknown key",
    { request: "POST /api/v2/series", body: { series: [{ metric: "m", points: [], tgas: [] }] } },
    /tgas/,
  ],
  [
    "a missing key",
    { request: "POST /api/v2/series", body: { series: [{ metric: "m" }] } },
    /required property 'points'/,
  ],
  [
    "a wrong type",
    { request: "POST /api/v2/series", body: { series: [{ metric: "m", points: [{ value: "1" }] }] } },
    /unknown type 'number'/,
  ],
  [
    "a word that is not in the list",
    {
      request: "POST /api/v2/metrics/m/tags",
      body: { data: { type: "manage_tag", id: "m", attributes: { metric_type: "count", tags: [] } } },
    },
    /not understood/,
  ],
  [
    "a line without a period",
    { request: "PUT /api/v2/cost/custom_costs", body: [{ ProviderName: "x" }] },
    /ChargePeriodEnd/,
  ],
])("%s is found", (_, body, why) => {
  expect(faults(body).join("\n")).toMatch(why);
});
