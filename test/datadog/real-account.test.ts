import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { command } from "../../src/cli/commands/deploy.ts";
import { METRICS } from "../../src/core/names.ts";
import { readAssets } from "../../src/datadog/assets.ts";
import { whyUnreachable } from "../../src/datadog/rest/refusal.ts";
import { hasExchanges, type Json, readExchanges } from "../sandbox/exchanges.ts";
import { type AccountServer, startAccountServer } from "./account-server.ts";
import { applyHabits, habitsOf } from "./trimming-account.ts";

const SHIPPED = ["--notify", "@oncall-payments", "--webhook-url", "https://breaker.example.com/webhooks/datadog"];
const KEYS = { "dd-api-key": "x", "dd-application-key": "x" };
const KEY = "agent_hourly_spend";

let server: AccountServer;
let said = "";

async function run(...args: string[]): Promise<number> {
  said = "";
  const take = (...texts: unknown[]): void => {
    said += `${texts.join(" ")}\n`;
  };
  const spies = [
    vi.spyOn(console, "log").mockImplementation(take),
    vi.spyOn(console, "error").mockImplementation(take),
  ];
  const code = await command.run([...SHIPPED, ...args]);
  for (const spy of spies) spy.mockRestore();
  return code;
}

const monitor = (): { readonly id: number; readonly body: Json } =>
  server.account.monitors().find(({ body }) => (body.tags as string[]).includes(`spendfuse:${KEY}`)) as never;
const changes = (): readonly string[] =>
  server.requests
    .filter(({ method, path }) => method !== "GET" && !path.endsWith("/validate"))
    .map(({ method, path }) => `${method} ${path}`);

beforeAll(async () => {
  server = await startAccountServer(Object.values(METRICS).map(({ name }) => name));
});
afterAll(() => server.close());
beforeEach(() => {
  server.reset();
  vi.stubEnv("DD_API_KEY", "a");
  vi.stubEnv("DD_APP_KEY", "b");
  vi.stubEnv("SPENDFUSE_DD_API_URL", server.url);
  vi.stubEnv("SPENDFUSE_WEBHOOK_SECRET", "a-secret-of-sixteen");
});

describe.skipIf(!hasExchanges)("an account that trims, drops and adds as the recorded one", () => {
  beforeEach(() => {
    const habits = habitsOf(readExchanges());
    expect([...habits.trimmed]).toContain("message");
    expect([...habits.dropped.keys()]).toContain("on_missing_data");
    server.alter((path, body) =>
      /\/(monitor|dashboard)(\/|$)/.test(path) && typeof body === "object" ? applyHabits(body as Json, habits) : body,
    );
  });

  test("a second deploy changes nothing and finds no edit", async () => {
    expect(await run("--detailed-exitcode"), said).toBe(2);
    const before = changes().length;
    expect(await run("--detailed-exitcode"), said).toBe(0);
    expect(changes().slice(before)).toEqual([]);
    expect(said).not.toContain("your edit");
    expect(said.match(/as it is/g)?.length).toBeGreaterThanOrEqual(readAssets().length);
  });

  test("a threshold changes in the query, the thresholds and the message", async () => {
    await run();
    expect(await run("--set", "agent_hourly_usd=50", "--plan", "--detailed-exitcode")).toBe(2);
    expect(await run("--set", "agent_hourly_usd=50"), said).toBe(0);
    const { query, message, options } = monitor().body;
    expect(query).toMatch(/> 50$/);
    expect(options).toMatchObject({ thresholds: { critical: 50, warning: 37.5 } });
    expect(message).toContain("$50");
    expect(message).toContain("$37.50");
    expect(message).not.toMatch(/\$20|\$15\b/);
    expect(await run("--set", "agent_hourly_usd=50", "--detailed-exitcode"), said).toBe(0);
  });

  test("what a user wrote stays", async () => {
    await run();
    const body = { message: "Ours now. @slack-us" };
    const path = `/api/v1/monitor/${monitor().id}`;
    server.account.handle({ method: "PUT", path, query: new URLSearchParams(), headers: KEYS, body });
    expect(await run("--set", "agent_hourly_usd=50")).toBe(0);
    expect(monitor().body).toMatchObject({ message: "Ours now. @slack-us" });
    expect(monitor().body.query).toMatch(/> 50$/);
  });
});

describe("messages", () => {
  test("link to whole addresses of the dashboards that were just made", async () => {
    await run();
    const board = server.account.dashboards().find(({ body }) => body.title === "Spendfuse Agent Spend");
    const message = String(monitor().body.message);
    expect(message).toContain(
      `(${server.url}/dashboard/${board?.id}?tpl_var_agent={{urlencode "agent.name"}}&from_ts=`,
    );
    const all = server.account.monitors().map(({ body }) => String(body.message));
    expect(all.join("\n")).not.toMatch(/\]\(\//);
  });
});

describe("the tag process", () => {
  const configured = (): readonly string[] =>
    Object.values(METRICS)
      .filter(({ name }) => server.account.tagConfiguration(name) !== undefined)
      .map(({ name }) => name);
  const withProcess = Object.values(METRICS).filter(({ attributes }) =>
    (attributes as readonly string[]).includes("process"),
  );

  test.runIf(withProcess.length > 0)("is left out of the index, and taken in again", async () => {
    await run();
    expect(configured()).toContain(METRICS.cost.name);
    expect(server.account.tagConfiguration(METRICS.cost.name)).toMatchObject({
      metric_type: "count",
      tags: ["process"],
      exclude_tags_mode: true,
    });
    expect(await run("--index", "process", "--detailed-exitcode")).toBe(2);
    expect(configured()).toEqual([]);
    expect(await run("--index", "process", "--detailed-exitcode"), said).toBe(0);
  });

  test("nothing else can be named", async () => {
    expect(await run("--index", "agent")).toBe(2);
    expect(said).toContain("the tag that can be kept is process");
  });
});

describe("what goes wrong is named", () => {
  test("a permission that deploy can do without does not end it", async () => {
    server.trouble((_, { path, method }) =>
      path.includes("historical") || (path.startsWith("/api/v1/metrics/") && method === "PUT")
        ? { status: 403, body: { errors: [{ title: "Forbidden", detail: "no permission" }] } }
        : undefined,
    );
    expect(await run(), said).toBe(0);
    expect(said).toContain("historical ingestion spendfuse.billed.cost: skipped, left out");
    expect(said).toContain("metrics_metadata_write");
    expect(server.account.monitors().length).toBe(readAssets().filter(({ kind }) => kind === "monitor").length);
  });

  test.each([
    [401, { errors: ["Unauthorized"] }, /401 Unauthorized: check that DD_API_KEY/],
    [409, { errors: [{ status: "409", title: "Conflict", detail: "there is one" }] }, /409 Conflict: there is one/],
    [400, { errors: [{ title: "Bad Request", source: { pointer: "/data" } }] }, /400 Bad Request \(\/data\)/],
    [400, { error: "no" }, /400 no/],
    [400, {}, /400 no reason given/],
  ])("%s %j", async (status, body, message) => {
    server.trouble(() => ({ status, body }));
    expect(await run()).toBe(1);
    expect(said).toMatch(message);
    expect(said).not.toContain("[object");
  });

  test.each([
    ["ENOTFOUND", {}, /no address in DNS.*DD_SITE/],
    ["ECONNREFUSED", {}, /nothing listens there: check DD_SITE$/],
    ["SELF_SIGNED_CERT_IN_CHAIN", {}, /TLS failed.*NODE_EXTRA_CA_CERTS/],
    [
      "UND_ERR_CONNECT_TIMEOUT",
      { HTTPS_PROXY: "http://me:pw@proxy:3128" },
      /proxy:3128 is not used unless NODE_USE_ENV/,
    ],
    ["ECONNRESET", { HTTPS_PROXY: "http://proxy:3128", NODE_USE_ENV_PROXY: "1" }, /the proxy proxy:3128 was used/],
  ])("%s", (code, env, message) => {
    const error = Object.assign(new TypeError("fetch failed"), { cause: Object.assign(new Error("x"), { code }) });
    const said = whyUnreachable("api.datadoghq.com", error, env);
    expect(said).toMatch(/^no answer from api\.datadoghq\.com: /);
    expect(said).toMatch(message);
    expect(said).not.toContain("pw");
  });
});
