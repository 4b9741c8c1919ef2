import type { Anthropic } from "@anthropic-ai/sdk";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { anthropic } from "../../../src/billing/vendors/anthropic.ts";
import type { AnthropicCost, AnthropicUsage } from "../../../src/demo/fake-vendor/billing/anthropic.ts";
import { DAY, NOW, type Stage, setStage, TODAY } from "../stage.ts";

const dayText = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
const GROUP = {
  api_key_id: "apikey_01",
  workspace_id: "wrkspc_01",
  model: "claude-opus-5-5",
  service_tier: "standard",
  context_window: "0-200k",
};
const cost = (fields: Partial<AnthropicCost> = {}): AnthropicCost => ({
  day: dayText(TODAY - DAY),
  ...GROUP,
  cost_type: "tokens",
  token_type: "output_tokens",
  amount: "41280.000000",
  list_amount: "45000.000000",
  ...fields,
});
const usage = (fields: Partial<AnthropicUsage> = {}): AnthropicUsage => ({
  day: dayText(TODAY - DAY),
  ...GROUP,
  uncached_input_tokens: 2_000,
  cache_read_input_tokens: 100_000,
  cache_creation: { ephemeral_5m_input_tokens: 10_000, ephemeral_1h_input_tokens: 20_000 },
  output_tokens: 3_000,
  requests: 7,
  web_searches: 2,
  ...fields,
});

let stage: Stage;
const begin = async (more: Record<string, unknown> = {}): Promise<void> => {
  await stage?.close();
  stage = await setStage("anthropic", {
    workspaces: [{ id: "wrkspc_01", name: "Research" }],
    keys: [{ id: "apikey_01", name: "prod", workspace: "wrkspc_01" }],
    limits: [
      {
        id: "1",
        amount: "250000",
        currency: "USD",
        is_enabled: true,
        period: "monthly",
        scope: { type: "organization" },
      },
      {
        id: "2",
        amount: "5000.5",
        currency: "USD",
        is_enabled: true,
        period: "daily",
        scope: { type: "workspace", workspace_id: "wrkspc_01" },
      },
      { id: "3", amount: null, currency: "USD", is_enabled: true, period: "monthly", scope: { type: "organization" } },
    ],
    ...more,
  });
};
beforeEach(() => begin());
afterEach(() => stage.close());

const charges = async () => (await stage.rows()).flatMap((row) => anthropic.charge(row) ?? []);
const counted = async () => (await stage.rows()).flatMap((row) => anthropic.usage(row) ?? []);

describe("Anthropic's analytics", () => {
  test("amounts are cents in texts, with the list price beside them", async () => {
    stage.books.costs = [
      cost(),
      cost({ token_type: "uncached_input_tokens", amount: "123.78912", list_amount: "130" }),
    ];
    await stage.poll();
    expect((await charges()).map(({ type, nano, listNano }) => [type, nano, listNano])).toEqual([
      ["output", 412_800_000_000n, 450_000_000_000n],
      ["input_uncached", 1_237_891_200n, 1_300_000_000n],
    ]);
  });

  test("cache writes are nested, and both kinds of them count", async () => {
    stage.books.usages = [usage()];
    stage.books.costs = [
      cost({ token_type: "cache_creation.ephemeral_5m_input_tokens" }),
      cost({ token_type: "cache_creation.ephemeral_1h_input_tokens" }),
    ];
    await stage.poll();
    expect(await counted()).toMatchObject([
      {
        counts: { input_uncached: 2_000, cache_read: 100_000, cache_write: 30_000, output: 3_000, web_search: 2 },
        requests: 7,
      },
    ]);
    expect((await charges()).map(({ type }) => type)).toEqual(["cache_write", "cache_write"]);
  });

  test("tiers and context windows are told apart: a batch is no standard call", async () => {
    stage.books.costs = [
      cost({ amount: "10" }),
      cost({ amount: "5", service_tier: "batch" }),
      cost({ amount: "20", context_window: "200k-1M" }),
    ];
    await stage.poll();
    expect((await charges()).map(({ tier, nano }) => [tier, nano]).sort()).toEqual([
      ["batch", 50_000_000n],
      ["standard", 100_000_000n],
      ["standard", 200_000_000n],
    ]);
  });

  test("keys that are null are kept as none, and a missing model too", async () => {
    stage.books.costs = [
      cost({ api_key_id: null }),
      cost({ cost_type: "code_execution", token_type: null, model: null, service_tier: null }),
      cost({ cost_type: "web_search", token_type: null }),
    ];
    await stage.poll();
    expect((await charges()).map(({ key, model, type }) => [key, model, type])).toEqual(
      expect.arrayContaining([
        ["", "claude-opus-5-5", "output"],
        ["apikey_01", "", "other"],
        ["apikey_01", "claude-opus-5-5", "web_search"],
      ]),
    );
  });

  test("pages are of rows, by time; five dimensions at the most; none is lost", async () => {
    stage.books.costs = Array.from({ length: 2_300 }, (_, index) =>
      cost({ api_key_id: `apikey_${index}`, day: dayText(TODAY - (index % 20) * DAY), amount: `${2_300 - index}` }),
    );
    await stage.poll();
    const rows = await charges();
    expect(rows).toHaveLength(2_300);
    expect(new Set(rows.map(({ key }) => key)).size).toBe(2_300);
    for (const url of stage.server.seen.filter((one) => one.includes("time_bucket_width"))) {
      const query = new URL(url, "http://x").searchParams;
      expect([query.get("order_by"), query.get("order"), query.get("limit")]).toEqual(["time", "asc", "1000"]);
      expect(query.getAll("group_by[]").filter((name) => !/^(cost|token)_type$/.test(name))).toHaveLength(5);
    }
  });

  test("a payload of the documentation, as the SDK types it", async () => {
    const nothing = {
      actor: null,
      actor_type: null,
      agent_id: null,
      claude_tag_category: null,
      claude_tag_user_id: null,
      deployment_id: null,
      environment_id: null,
      organization_id: null,
      product: null,
      rbac_group_id: null,
      session_id: null,
      slack_channel_id: null,
      user_profile_id: null,
    };
    const group = { ...nothing, ...GROUP, inference_geo: "global", speed: "standard" } as const;
    const times = { starting_at: "2026-11-01T00:00:00Z", ending_at: "2026-11-02T00:00:00Z" };
    const costs: Anthropic.Beta.Organization.Analytics.BetaAnalyticsCostItem = {
      ...times,
      group: {
        ...group,
        service_tier: "standard",
        context_window: "0-200k",
        token_type: "output_tokens",
        cost_type: "tokens",
      },
      cost: { amount: "41280.000000", list_amount: "45000.000000", currency: "USD", requests: null },
    };
    const usages: Anthropic.Beta.Organization.Analytics.BetaAnalyticsUsageItem = {
      ...times,
      group: { ...group, service_tier: "standard", context_window: "0-200k" },
      usage: {
        uncached_input_tokens: 5,
        cache_read_input_tokens: 6,
        cache_creation: { ephemeral_5m_input_tokens: 7, ephemeral_1h_input_tokens: 8 },
        output_tokens: 9,
        total_tokens: 35,
        requests: 2,
        server_tool_use: { web_search_requests: 1 },
      },
    };
    const page = (data: readonly object[]) => ({
      status: 200,
      body: { data, has_more: false, next_page: null, data_refreshed_at: "2026-11-23T09:00:00Z" },
    });
    stage.server.troubles.push(page([]), { status: 200, body: { id: "org" } }, page([costs]), page([usages]));
    await stage.poll({ from: Date.UTC(2026, 10, 1), until: Date.UTC(2026, 10, 2) });
    expect(await charges()).toMatchObject([
      { day: Date.UTC(2026, 10, 1), key: "apikey_01", nano: 412_800_000_000n, listNano: 450_000_000_000n },
    ]);
    expect(await counted()).toMatchObject([
      { counts: { input_uncached: 5, cache_read: 6, cache_write: 15, output: 9, web_search: 1 }, requests: 2 },
    ]);
  });

  test("rows of one identity that the vendor cannot tell apart add up", async () => {
    const item = (amount: string) => ({
      starting_at: `${dayText(TODAY - DAY)}T00:00:00Z`,
      ending_at: `${dayText(TODAY)}T00:00:00Z`,
      group: { ...GROUP, cost_type: "tokens", token_type: "output_tokens" },
      cost: { amount, list_amount: amount, currency: "USD", requests: null },
    });
    const page = { data: [item("1"), item("2")], has_more: false, next_page: null, data_refreshed_at: null };
    // The probe, the organization, then the report.
    stage.server.troubles.push({ status: 200, body: { ...page, data: [] } }, { status: 200, body: { id: "org" } });
    stage.server.troubles.push({ status: 200, body: page });
    await stage.poll({ from: TODAY - DAY, until: TODAY });
    expect((await charges()).map(({ nano }) => nano)).toEqual([30_000_000n]);
  });

  test("no window is longer than 31 days, older than a year, or before 2026", async () => {
    await stage.poll({ from: Date.UTC(2025, 0, 1) });
    const asked = stage.server.seen
      .filter((url) => url.includes("time_bucket_width"))
      .map((url) => new URL(url, "http://x").searchParams);
    expect(asked.length).toBeGreaterThan(20);
    for (const query of asked) {
      const [from, until] = ["starting_at", "ending_at"].map((name) => Date.parse(query.get(name) ?? ""));
      expect(from).toBeGreaterThanOrEqual(Date.UTC(2026, 0, 1));
      expect((until as number) - (from as number)).toBeLessThanOrEqual(31 * DAY);
      expect(until).toBeLessThanOrEqual(NOW);
    }
  });

  test("their own client makes no spans", async () => {
    const spans: string[] = [];
    const tracer = {
      startSpan: (name: string) => spans.push(name),
      startActiveSpan: (name: string) => spans.push(name),
    };
    const { trace } = await import("@opentelemetry/api");
    trace.setGlobalTracerProvider({ getTracer: () => tracer } as never);
    try {
      await stage.poll();
    } finally {
      trace.disable();
    }
    expect(spans).toEqual([]);
  });
});

describe("the older reports", () => {
  beforeEach(() => begin({ reports: "legacy" }));

  test("are read where the newer are refused: costs without keys, usage with them", async () => {
    stage.books.costs = [cost({ amount: "123.78912" })];
    stage.books.usages = [usage()];
    await stage.poll();
    expect(await charges()).toMatchObject([{ key: undefined, nano: 1_237_891_200n, type: "output", tier: "standard" }]);
    expect(await counted()).toMatchObject([{ key: "apikey_01", counts: { cache_write: 30_000 }, requests: undefined }]);
  });

  test("have no cost of Priority Tier", async () => {
    stage.books.costs = [cost(), cost({ service_tier: "priority" })];
    await stage.poll();
    expect(await charges()).toHaveLength(1);
    expect(anthropic.unbilledTiers.has("priority")).toBe(true);
  });

  test("are not asked for costs of a day that is not over", async () => {
    await stage.poll({ from: TODAY - 2 * DAY });
    const asked = stage.server.seen.filter((url) => url.includes("/cost_report"));
    expect(asked).toHaveLength(1);
    expect(decodeURIComponent(asked[0] ?? "")).toContain(`ending_at=${dayText(TODAY)}T00:00:00.000Z`);
  });

  test("give way to the newer, when those come, without a day counted twice", async () => {
    stage.books.costs = [cost(), cost({ day: dayText(TODAY - 2 * DAY) })];
    await stage.poll();
    expect(await charges()).toHaveLength(2);
    const { path, books } = stage;
    await begin();
    Object.assign(stage, { path });
    const { openBook } = await import("../../../src/billing/book.ts");
    const { pollVendor } = await import("../../../src/billing/poll.ts");
    stage.books.costs = books.costs;
    const book = await openBook(path, { alone: true });
    const options = {
      key: "sk-ant-admin01-test",
      url: stage.server.url,
      env: {},
      onServerTime: () => {},
      now: () => NOW,
    };
    const account = await anthropic.open(options);
    const patience = { sleep: async () => {}, random: () => 0 };
    await pollVendor({ vendor: anthropic, account, book, now: () => NOW, range: {}, patience });
    const rows = book.rows("anthropic", 0, Number.MAX_SAFE_INTEGER).flatMap((row) => anthropic.charge(row) ?? []);
    book.close();
    expect(rows.map(({ key }) => key)).toEqual(["apikey_01", "apikey_01"]);
  });
});

describe("Anthropic's account", () => {
  const open = () =>
    anthropic.open({
      key: "sk-ant-admin01-test",
      url: stage.server.url,
      env: {},
      onServerTime: () => {},
      now: () => NOW,
    });

  test("names workspaces and keys", async () => {
    const account = await open();
    expect(account.org).toBe("org_demo");
    expect(await account.names()).toEqual([
      { kind: "project", id: "wrkspc_01", name: "Research" },
      { kind: "key", id: "apikey_01", name: "prod" },
    ]);
  });

  test("caps are cents", async () => {
    expect(await (await open()).caps()).toEqual([
      { scope: "organization", id: "", nano: 2_500_000_000_000n, per: "month", effect: "stops" },
      { scope: "workspace", id: "wrkspc_01", nano: 50_005_000_000n, per: "day", effect: "stops" },
    ]);
  });

  test.each([
    ["not a key", 401],
    ["sk-ant-api03-workspace", 403],
  ])("the key %s: %i, and what it must be", async (key, status) => {
    await expect(stage.poll({}, key)).rejects.toMatchObject({
      code: "SPENDFUSE_VENDOR",
      facts: { status },
      message: expect.stringMatching(/ANTHROPIC_ADMIN_KEY.*Admin key.*read:analytics/),
    });
  });
});
