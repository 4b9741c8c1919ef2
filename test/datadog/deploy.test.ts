import { rmSync } from "node:fs";
import { v1, v2 } from "@datadog/datadog-api-client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { command } from "../../src/cli/commands/deploy.ts";
import { METRICS } from "../../src/core/names.ts";
import { readAssets } from "../../src/datadog/assets.ts";
import { setThreshold } from "../../src/datadog/parameters.ts";
import { type AccountServer, startAccountServer } from "./account-server.ts";
import { writeSmallAssets } from "./small-assets.ts";

const SECRET = "a-secret-that-nobody-may-see";
const API_KEY = "api-key-that-nobody-may-see";
const APP_KEY = "app-key-that-nobody-may-see";
const NOTIFY = ["--notify", "@oncall-payments"];
const WEBHOOK = ["--webhook-url", "https://breaker.example.com/webhooks/datadog"];
/** Everything that we ship. */
const SHIPPED = [...NOTIFY, ...WEBHOOK];
const ASSETS = readAssets();
const FOLDER = writeSmallAssets();
const ALL = [...SHIPPED, "--assets", FOLDER];
const MONITORS = ASSETS.filter(({ kind }) => kind === "monitor").length;
const KEYS = { "dd-api-key": "x", "dd-application-key": "x" };

let server: AccountServer;
let said = "";

/** Runs the command; what it says is looked through for secrets. */
async function run(...args: string[]): Promise<number> {
  said = "";
  const take = (...texts: unknown[]): void => {
    said += `${texts.join(" ")}\n`;
  };
  const spies = [
    vi.spyOn(console, "log").mockImplementation(take),
    vi.spyOn(console, "error").mockImplementation(take),
  ];
  const code = await command.run(args);
  for (const spy of spies) spy.mockRestore();
  for (const secret of [SECRET, API_KEY, APP_KEY]) expect(said).not.toContain(secret);
  return code;
}

function handle(method: string, path: string, body?: unknown) {
  return server.account.handle({ method, path, query: new URLSearchParams(), headers: KEYS, body });
}

/** Everything in the account, without times and ids. */
function contents() {
  const { account } = server;
  return {
    monitors: account.monitors().map(({ body }) => body),
    dashboards: account.dashboards().map(({ body }) => body),
    webhooks: account.webhooks(),
    variables: [...account.variables()],
    historical: Object.values(METRICS)
      .filter(({ name }) => account.isHistorical(name))
      .map(({ name }) => name),
    metadata: Object.values(METRICS).map(({ name }) => account.metadata(name)),
  };
}

const changes = () => server.requests.filter(({ method, path }) => method !== "GET" && !path.endsWith("/validate"));
const monitorOf = (key: string) =>
  server.account.monitors().find(({ body }) => (body.tags as string[]).includes(`spendfuse:${key}`));

beforeAll(async () => {
  server = await startAccountServer([METRICS.cost.name, METRICS.tokens.name, METRICS.pollLag.name]);
});
afterAll(async () => {
  await server.close();
  rmSync(FOLDER, { recursive: true });
});
beforeEach(() => {
  server.reset();
  vi.stubEnv("DD_API_KEY", API_KEY);
  vi.stubEnv("DD_APP_KEY", APP_KEY);
  vi.stubEnv("SPENDFUSE_DD_API_URL", server.url);
  vi.stubEnv("SPENDFUSE_WEBHOOK_SECRET", SECRET);
});
afterEach(() => vi.unstubAllEnvs());

describe("apply", () => {
  test("creates all, and a second time nothing", async () => {
    expect(await run(...ALL)).toBe(0);
    const first = contents();
    expect(first.monitors).toHaveLength(MONITORS);
    expect(first.dashboards).toHaveLength(ASSETS.length - MONITORS);
    expect(first.webhooks).toMatchObject([{ name: "spendfuse", url: WEBHOOK[1] }]);
    expect(first.variables).toEqual([["SPENDFUSE_WEBHOOK_SECRET", SECRET]]);
    expect(first.historical).toEqual([METRICS.billedCost.name]);
    expect(server.account.metadata(METRICS.cost.name)).toMatchObject({ type: "count", unit: "dollar" });
    expect(said).toContain(`${server.url}/monitors/`);
    expect(JSON.stringify(first.monitors)).toContain("@oncall-payments");
    expect(JSON.stringify(first.monitors)).not.toContain("REPLACE-ME");
    const before = changes().length;
    expect(await run(...ALL)).toBe(0);
    expect(changes().length).toBe(before);
    expect(contents()).toEqual(first);
  });

  test("monitors are validated before the first is created", async () => {
    await run(...ALL);
    const paths = server.requests.filter(({ method }) => method === "POST").map(({ path }) => path);
    const lastCheck = paths.lastIndexOf("/api/v1/monitor/validate");
    expect(paths.filter((path) => path === "/api/v1/monitor/validate")).toHaveLength(MONITORS);
    expect(paths.indexOf("/api/v1/monitor")).toBeGreaterThan(lastCheck);
  });

  test("a changed threshold changes one monitor, in all three places", async () => {
    await run(...ALL);
    const before = changes().length;
    expect(await run(...ALL, "--set", "agent_hourly_usd=50")).toBe(0);
    expect(changes().slice(before)).toMatchObject([
      { method: "PUT", path: `/api/v1/monitor/${monitorOf("agent_hourly_spend")?.id}` },
    ]);
    const body = monitorOf("agent_hourly_spend")?.body as {
      query: string;
      message: string;
      options: { thresholds: object };
    };
    expect(body.query).toMatch(/> 50$/);
    expect(body.options.thresholds).toEqual({
      critical: 50,
      warning: 37.5,
      critical_recovery: 45,
      warning_recovery: 33.75,
    });
    expect(body.message).toContain("The limit is $50.");
    expect(body.message).toContain("the warning at $37.50.");
    expect(body.message).not.toMatch(/\$20|\$15/);
  });

  test("the plan shows it, and does nothing", async () => {
    await run(...ALL);
    const before = contents();
    expect(await run(...ALL, "--set", "agent_hourly_usd=50", "--plan")).toBe(0);
    expect(said).toContain("~ monitor agent_hourly_spend");
    expect(said).toMatch(/- query: .*> 20\n.*\+ query: .*> 50\n/);
    expect(said).toContain("- options.thresholds.critical: 20");
    expect(said).toMatch(/\+ message: .*\$50/);
    expect(said).toContain("1 to change");
    expect(contents()).toEqual(before);
  });

  test("a metric without points gets its unit later", async () => {
    await run(...ALL);
    expect(said).toContain("metadata spendfuse.calls: waiting, comes with its first point");
    expect(said).toContain("Run it again when metrics have come");
  });

  test("every request body is one of the client's own types", async () => {
    await run(...SHIPPED);
    await run(...SHIPPED, "--set", "agent_hourly_usd=50", "--rotate-secret");
    const types: readonly (readonly [RegExp, string, string])[] = [
      [/^\/api\/v1\/monitor(\/validate)?$/, "POST", "Monitor"],
      [/^\/api\/v1\/monitor\/\d+$/, "PUT", "MonitorUpdateRequest"],
      [/^\/api\/v1\/dashboard/, "POST", "Dashboard"],
      [/\/webhooks$/, "POST", "WebhooksIntegration"],
      [/\/custom-variables$/, "POST", "WebhooksIntegrationCustomVariable"],
      [/\/custom-variables\/\w+$/, "PUT", "WebhooksIntegrationCustomVariableUpdateRequest"],
      [/^\/api\/v1\/metrics\//, "PUT", "MetricMetadata"],
      [/^\/api\/v2\/metrics\/[^/]+\/tags$/, "POST", "MetricTagConfigurationCreateRequest"],
      [/\/historical-metrics-configurations$/, "POST", "HistoricalMetricsConfigurationCreateRequest"],
    ];
    const seen = new Set<string>();
    for (const { method, path, body } of server.requests.filter((one) => one.body !== undefined)) {
      const type = types.find(([pattern, verb]) => verb === method && pattern.test(path))?.[2];
      expect(type, `${method} ${path}`).toBeDefined();
      const serializer = path.startsWith("/api/v2/") ? v2.ObjectSerializer : v1.ObjectSerializer;
      const typed = serializer.deserialize(body, type as string, "");
      expect(JSON.stringify(typed)).not.toContain('"_unparsed"');
      expect(JSON.stringify(typed)).not.toContain('"additionalProperties"');
      seen.add(type as string);
    }
    expect(seen.size).toBe(types.length);
  });
});

describe("what others have", () => {
  const foreign = {
    type: "query alert",
    name: "Agent spend over limit in 1 hour",
    query: "avg(last_5m):avg:a{*} > 1",
    tags: ["team:x"],
  };
  const board = { title: "Spendfuse Agent Spend", layout_type: "ordered", widgets: [], description: "mine" };
  const variable = { name: "OTHER", value: "v", is_secret: false };

  test("is never touched, and stays when ours is destroyed", async () => {
    handle("POST", "/api/v1/monitor", foreign);
    handle("POST", "/api/v1/dashboard", board);
    handle("POST", "/api/v1/integration/webhooks/configuration/webhooks", {
      name: "theirs",
      url: "https://x.example.com",
    });
    handle("POST", "/api/v1/integration/webhooks/configuration/custom-variables", variable);
    const before = contents();
    await run(...ALL);
    expect(await run("--destroy", "--yes")).toBe(0);
    expect({ ...contents(), metadata: [] }).toEqual({ ...before, metadata: [] });
    expect(await run("--destroy", "--yes")).toBe(0);
    expect(said).toContain("nothing to delete");
  });

  test("a webhook of our name that is not ours is left alone, and said", async () => {
    const theirs = { name: "spendfuse", url: "https://x.example.com", payload: '{"text":"$EVENT_TITLE"}' };
    handle("POST", "/api/v1/integration/webhooks/configuration/webhooks", theirs);
    expect(await run(...ALL)).toBe(1);
    expect(said).toContain("exists and is not managed by spendfuse");
    expect(server.account.webhooks()).toMatchObject([theirs]);
  });

  test("destroy asks where somebody can answer, and else needs --yes", async () => {
    await run(...ALL);
    expect(await run("--destroy")).toBe(1);
    expect(said).toContain("--yes");
    expect(server.account.monitors()).toHaveLength(MONITORS);
    expect(await run("--destroy", "--yes", "--only", "bill_drift")).toBe(0);
    expect(server.account.monitors()).toHaveLength(MONITORS - 1);
    expect(server.account.webhooks()).toHaveLength(1);
  });

  test("installations with prefixes stand side by side", async () => {
    await run(...ALL);
    const plain = contents();
    expect(await run(...ALL, "--prefix", "Staging ", "--filter", "env:staging")).toBe(0);
    expect(server.account.monitors()).toHaveLength(2 * MONITORS);
    const staged = monitorOf("staging/agent_hourly_spend")?.body;
    expect(staged).toMatchObject({ name: "Staging Agent spend over limit in 1 hour" });
    expect(staged?.query).toContain("spendfuse.cost{env:staging}");
    expect(staged?.message).toContain("@webhook-spendfuse-staging ");
    expect(await run("--destroy", "--yes", "--prefix", "Staging ")).toBe(0);
    expect(contents()).toEqual(plain);
  });
});

describe("users' edits", () => {
  async function edit(key: string, change: object) {
    const { id } = monitorOf(key) as { id: number };
    handle("PUT", `/api/v1/monitor/${id}`, change);
  }

  test("stay, while the rest is changed", async () => {
    await run(...ALL);
    await edit("agent_hourly_spend", { message: "ours now @slack-us", priority: 4 });
    await edit("agent_hourly_spend", {
      tags: [...((monitorOf("agent_hourly_spend")?.body.tags ?? []) as string[]), "cost-centre:7"],
    });
    const before = changes().length;
    expect(await run(...ALL)).toBe(0);
    expect(said).toContain("your edit of message, priority stays");
    expect(changes().length).toBe(before);
    await run(...ALL, "--set", "agent_hourly_usd=50");
    expect(monitorOf("agent_hourly_spend")?.body).toMatchObject({ message: "ours now @slack-us", priority: 4 });
    expect(monitorOf("agent_hourly_spend")?.body.query).toMatch(/> 50$/);
    expect(monitorOf("agent_hourly_spend")?.body.tags).toContain("cost-centre:7");
    await run(...ALL);
    expect(monitorOf("agent_hourly_spend")?.body).toMatchObject({ message: "ours now @slack-us" });
  });

  test("of a threshold stay as well, query and options together", async () => {
    await run(...ALL);
    const { body } = monitorOf("agent_hourly_spend") as { body: Record<string, unknown> };
    await edit("agent_hourly_spend", setThreshold(body, "usd", 77));
    expect(await run(...ALL, "--set", "agent_hourly_usd=50")).toBe(0);
    expect(monitorOf("agent_hourly_spend")?.body.query).toMatch(/> 77$/);
  });

  test("are undone with --overwrite", async () => {
    await run(...ALL);
    const first = contents();
    await edit("agent_hourly_spend", { message: "gone" });
    expect(await run(...ALL, "--overwrite")).toBe(0);
    expect(contents()).toEqual(first);
  });

  test("of a dashboard stay", async () => {
    await run(...ALL);
    const [board] = server.account.dashboards();
    handle("PUT", `/api/v1/dashboard/${board?.id}`, {
      ...board?.body,
      title: "My own title",
      notify_list: ["me@example.com"],
    });
    expect(await run(...ALL)).toBe(0);
    expect(said).toContain("your edit of title stays");
    expect(server.account.dashboards()[0]?.body).toMatchObject({ title: "My own title" });
  });

  test("what Datadog adds to an answer is no edit", async () => {
    await run(...ALL);
    const { id, body } = monitorOf("bill_drift") as unknown as { id: number; body: { options: object } };
    handle("PUT", `/api/v1/monitor/${id}`, {
      options: { ...body.options, silenced: {}, locked: false, notify_no_data: false },
    });
    const before = changes().length;
    await run(...ALL);
    expect(changes().length).toBe(before);
  });
});

describe("trouble on the way", () => {
  /** The state after an apply without failures, lists unordered. */
  function sorted() {
    const { monitors, dashboards, ...rest } = contents();
    const order = (list: readonly object[]) => list.map((one) => JSON.stringify(one)).sort();
    return { monitors: order(monitors), dashboards: order(dashboards), ...rest };
  }

  test("an apply that is killed after any request is finished by the next", async () => {
    await run(...ALL);
    const whole = sorted();
    const writes = changes().length;
    const scale = Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
    const step = Math.max(1, Math.round(22 / scale));
    for (let killed = 0; killed < writes; killed += step) {
      server.reset();
      let done = 0;
      // From its k-th change on nothing gets through: for Datadog that is a process that is no more.
      server.trouble((_, { method, path }) => {
        if (method !== "GET" && !path.endsWith("/validate")) done += 1;
        return done > killed ? { status: 400, body: { errors: ["gone"] } } : undefined;
      });
      expect(await run(...ALL), `after ${killed}`).toBe(1);
      server.trouble(() => undefined);
      expect(await run(...ALL), `after ${killed}`).toBe(0);
      expect(sorted(), `after ${killed}`).toEqual(whole);
    }
  });

  test("an answer that gets lost makes nothing twice", async () => {
    await run(...ALL);
    const whole = sorted();
    server.reset();
    let lost = 0;
    server.trouble((_, { method, path }) => {
      if (method !== "POST" || path.endsWith("/validate") || !/monitor|dashboard/.test(path)) return undefined;
      lost += 1;
      return lost % 3 === 0 ? "lost" : undefined;
    });
    expect(await run(...ALL), said).toBe(0);
    expect(lost).toBeGreaterThan(6);
    expect(sorted()).toEqual(whole);
  });

  test("rate limits, 5xx and broken connections are waited for", async () => {
    server.trouble((index, { method }) => {
      if (index % 7 === 3)
        return { status: 429, headers: { "x-ratelimit-reset": "0" }, body: { errors: ["slow down"] } };
      return index % 40 === 11 && method === "GET" ? "broken" : undefined;
    });
    expect(await run(...ALL), said).toBe(0);
    expect(server.account.monitors()).toHaveLength(MONITORS);
  });

  test("one that Datadog does not take is said, and the others are done", async () => {
    server.trouble((_, { path, body }) => {
      const anomalies = String((body as { query?: string } | undefined)?.query).includes("anomalies(");
      return path.endsWith("/validate") && anomalies
        ? { status: 400, body: { errors: ["not in your plan"] } }
        : undefined;
    });
    expect(await run(...ALL)).toBe(1);
    expect(said).toContain("monitor agent_spend_anomaly: failed, rejected by Datadog: 400 not in your plan");
    expect(server.account.monitors()).toHaveLength(MONITORS - 1);
    expect(await run(...ALL, "--without", "agent_spend_anomaly")).toBe(0);
  });

  test("a key that may not is explained", async () => {
    server.trouble(() => ({ status: 403, body: { errors: ["Forbidden"] } }));
    expect(await run(...ALL)).toBe(1);
    expect(said).toContain("DD_SITE is their site");
  });
});

describe("invalid usage is reported with its fix", () => {
  test.each([
    ["no one to notify", WEBHOOK, /--notify @oncall-… .*|--no-notify/],
    ["both", [...ALL, "--no-notify"], /mutually exclusive/],
    ["a handle without @", ["--notify", "me", ...WEBHOOK], /a handle is such as/],
    ["an unknown parameter", [...ALL, "--set", "agent_hourly=5"], /agent_hourly_usd/],
    ["no number", [...ALL, "--set", "agent_hourly_usd=much"], /a number above 0/],
    ["a part of a call", [...ALL, "--set", "agent_calls=1.5"], /a whole number/],
    ["an unknown file", [...ALL, "--only", "bill"], /There are: /],
    ["a filter of everything", [...ALL, "--filter", "*"], /filters nothing/],
    ["a filter that is none", [...ALL, "--filter", "env"], /such as env:prod/],
    ["plain http", [...NOTIFY, "--webhook-url", "http://x.example.com/"], /https/],
    ["two modes", ["--check", "--plan"], /mutually exclusive/],
    ["an unknown option", ["--notfy"], /notfy/],
  ])("%s", async (_, args, message) => {
    expect(await run(...args)).toBe(2);
    expect(said).toMatch(message);
    expect(server.requests).toHaveLength(0);
  });

  test("without keys, a secret or an address of the breaker", async () => {
    vi.stubEnv("DD_APP_KEY", "");
    expect(await run(...ALL)).toBe(2);
    expect(said).toContain("DD_APP_KEY must be set");
    vi.stubEnv("DD_APP_KEY", APP_KEY);
    vi.stubEnv("SPENDFUSE_WEBHOOK_SECRET", "");
    expect(await run(...ALL)).toBe(1);
    expect(said).toContain("set SPENDFUSE_WEBHOOK_SECRET");
    vi.stubEnv("SPENDFUSE_WEBHOOK_SECRET", SECRET);
    server.reset();
    expect(await run(...NOTIFY, "--assets", FOLDER)).toBe(1);
    expect(said).toContain("--webhook-url https://YOUR-BREAKER");
  });

  test("without a webhook, alerts stop nothing and say so", async () => {
    expect(await run("--no-notify", "--no-webhook", "--assets", FOLDER)).toBe(0);
    const messages = server.account.monitors().map(({ body }) => `${body.message}${body.tags}`);
    expect(messages.join()).not.toMatch(/@webhook|@oncall|breaker was told|is_renotify/);
    expect(monitorOf("agent_hourly_spend")?.body.message).toContain("no webhook is installed");
    expect(server.account.webhooks()).toEqual([]);
  });

  test("--check finds nothing in what we ship", async () => {
    expect(await run("--check")).toBe(0);
    expect(said).toContain("nothing found");
  });
});
