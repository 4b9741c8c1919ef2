import { expect, test, vi } from "vitest";
import { command } from "../../src/cli/commands/deploy.ts";
import { METRICS } from "../../src/core/names.ts";
import { readAssets } from "../../src/datadog/assets.ts";
import { eventOf } from "../../src/datadog/circuit-events.ts";
import { wantedOf } from "../../src/datadog/deploy/wanted.ts";
import { muteGroup } from "../../src/datadog/monitor-states.ts";
import { startAccountServer } from "./account-server.ts";
import { hasOpenApi, openSchemas } from "./openapi-schema.ts";

if (!hasOpenApi)
  console.log("Datadog's OpenAPI description is not beside the checkout: bodies are not validated by it");
const schemaOf = hasOpenApi ? openSchemas() : undefined;
const SCHEMAS = { monitor: "Monitor", dashboard: "Dashboard" };

/** What is wrong with a body, in words. */
function faults(schema: string, body: unknown): readonly string[] {
  const validate = schemaOf?.(schema);
  if (validate === undefined) return [`no schema ${schema}`];
  if (validate(JSON.parse(JSON.stringify(body)))) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

test.runIf(hasOpenApi)(
  "every shipped asset and every body is valid, with no unknown key",
  { timeout: 60_000 },
  async () => {
    const assets = readAssets();
    const choices = {
      settings: new Map(),
      notify: ["@oncall-x"],
      webhook: true,
      prefix: "",
      filters: [],
      tags: ["customer"],
    };
    const bodies: [kind: string, name: string, body: unknown][] = [];
    for (const { kind, file, json } of assets) bodies.push([SCHEMAS[kind], file, json]);
    for (const { kind, key, body } of wantedOf(assets, choices)) bodies.push([SCHEMAS[kind], `deploy ${key}`, body]);
    for (const what of ["trip", "reset", "stop", "approve"])
      bodies.push([
        "EventCreateRequest",
        what,
        eventOf({ at: 1e12, scope: "agent:a", state: "open", what, by: "b", why: "w" }),
      ]);
    const ask = async (_: string, path: string, body: unknown): Promise<void> =>
      void bodies.push(["Downtime", path, body]);
    await muteGroup({ app: "", ask }, "7", "agent:a", 2e9);
    const found = bodies.flatMap(([schema, name, body]) => faults(schema, body).map((why) => `${name}: ${why}`));
    console.log(`${bodies.length} bodies against Datadog's schemas`);
    expect(found.slice(0, 20)).toEqual([]);
  },
);

test.runIf(hasOpenApi)("an unknown key and a wrong type are found", () => {
  const monitor = { type: "query alert", query: "q > 1", options: { new_group_dely: 1 }, priority: "high" };
  expect(faults("Monitor", monitor).join("\n")).toMatch(/new_group_dely[\s\S]*\/priority/);
});

/** Schemas of what deploy sends, by the paths of version 1. */
const BY_PATH: readonly (readonly [RegExp, string])[] = [
  [/^\/api\/v1\/monitor/, "Monitor"],
  [/^\/api\/v1\/dashboard/, "Dashboard"],
  [/\/configuration\/webhooks$/, "WebhooksIntegration"],
  [/\/configuration\/custom-variables$/, "WebhooksIntegrationCustomVariable"],
  [/^\/api\/v1\/metrics\//, "MetricMetadata"],
];

test.runIf(hasOpenApi)(
  "every body that a first deploy sends to version 1 of the API is valid",
  { timeout: 60_000 },
  async () => {
    const server = await startAccountServer(Object.values(METRICS).map(({ name }) => name));
    const env = { DD_API_KEY: "a", DD_APP_KEY: "b", SPENDFUSE_DD_API_URL: server.url };
    for (const [name, value] of Object.entries({ ...env, SPENDFUSE_WEBHOOK_SECRET: "a-secret-of-sixteen" }))
      vi.stubEnv(name, value);
    const spies = [vi.spyOn(console, "log"), vi.spyOn(console, "error")].map((spy) => spy.mockImplementation(() => {}));
    const code = await command.run([
      "--notify",
      "@oncall-x",
      "--webhook-url",
      "https://breaker.example.com/webhooks/datadog",
    ]);
    for (const spy of spies) spy.mockRestore();
    vi.unstubAllEnvs();
    await server.close();
    expect(code).toBe(0);
    const sent = server.requests.filter(({ body, path }) => body !== undefined && path.startsWith("/api/v1/"));
    const found = sent.flatMap(({ method, path, body }) => {
      const schema = BY_PATH.find(([pattern]) => pattern.test(path))?.[1] ?? "none";
      return faults(schema, body).map((why) => `${method} ${path}: ${why}`);
    });
    console.log(`${sent.length} bodies of a deploy, by ${new Set(sent.map(({ path }) => path)).size} paths`);
    expect(sent.some(({ path }) => path.endsWith("/configuration/webhooks"))).toBe(true);
    expect(found.slice(0, 20)).toEqual([]);
  },
);
