import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Book, openBook } from "../../src/billing/book.ts";
import type { CostSink } from "../../src/billing/costs.ts";
import type { MetricPoint, PointSink } from "../../src/billing/points.ts";
import { runRound } from "../../src/billing/round.ts";
import type { MeteredSource } from "../../src/billing/settle.ts";
import { type MeteredRow, NOTHING_METERED } from "../../src/core/metered.ts";
import { readAssets } from "../../src/datadog/assets.ts";
import { openClient } from "../../src/datadog/client.ts";
import { createCustomCosts } from "../../src/datadog/custom-costs.ts";
import { createMeteredQuery } from "../../src/datadog/metered-query.ts";
import { openRest } from "../../src/datadog/rest/rest.ts";
import { createSeriesSink } from "../../src/datadog/series-sink.ts";
import type { OpenAiCost, OpenAiUsage } from "../../src/demo/fake-vendor/billing/openai.ts";
import type { Clock } from "../../src/sandbox/clock.ts";
import { draw } from "../../src/sandbox/draw.ts";
import { preload } from "../../src/sandbox/preload.ts";
import { createSandbox, type Sandbox } from "../../src/sandbox/sandbox.ts";
import { type SandboxServer, startSandboxServer } from "../../src/sandbox/server.ts";
import { ADMIN_KEYS, DAY, NOW, type Stage, setStage, TODAY } from "./stage.ts";

const cost = (daysAgo: number, fields: Partial<OpenAiCost> = {}): OpenAiCost => ({
  day: (TODAY - daysAgo * DAY) / 1_000,
  project_id: "proj_abc",
  api_key_id: "key_1",
  line_item: "gpt-5, output",
  value: 100,
  quantity: 10_000_000,
  quantity_unit: "tokens",
  ...fields,
});
const usage = (daysAgo: number, requests: number): OpenAiUsage => ({
  day: (TODAY - daysAgo * DAY) / 1_000,
  report: "completions",
  project_id: "proj_abc",
  api_key_id: "key_1",
  model: "gpt-5",
  batch: false,
  service_tier: "default",
  counts: { input_tokens: 0, output_tokens: 10_000_000, num_model_requests: requests },
});
/** By default 60 % of a day's tokens, at the price of the bill. */
const metered = (daysAgo: number, fields: Partial<MeteredRow> = {}): MeteredRow => ({
  ...NOTHING_METERED,
  day: TODAY - daysAgo * DAY,
  provider: "openai",
  model: "gpt-5",
  tier: "default",
  key: "prod",
  agent: "researcher",
  rootAgent: "researcher",
  team: "search",
  project: "",
  quality: "reported",
  priced: "true",
  calls: 6,
  cost: 60e9,
  output: 6_000_000,
  ...fields,
});

let stage: Stage;
let book: Book;
let rows: MeteredRow[];
const source: MeteredSource = async (from, until) => rows.filter(({ day }) => day >= from && day < until);
const said: string[] = [];

beforeEach(async () => {
  stage = await setStage("openai", {
    projects: [{ id: "proj_abc", name: "Help Desk" }],
    keys: [{ id: "key_1", name: "prod", project: "proj_abc" }],
  });
  book = await openBook(stage.path, { alone: true });
  rows = [];
  said.length = 0;
});
afterEach(async () => {
  book.close();
  await stage.close();
});

async function round(
  sinks: readonly PointSink[],
  more: { costs?: CostSink; metered?: MeteredSource | undefined } = {},
) {
  const [first] = await runRound({
    book,
    vendors: [{ vendor: stage.vendor, key: ADMIN_KEYS.openai, url: stage.server.url }],
    env: {},
    metered: "metered" in more ? more.metered : source,
    sinks,
    costs: more.costs,
    range: {},
    aliases: {},
    discounts: [],
    now: () => stage.ourClock ?? stage.clock,
    patience: { sleep: async () => {}, random: () => 0 },
    say: (message) => said.push(message),
  });
  return first as NonNullable<typeof first>;
}

/** A sink that keeps what it gets. */
function bucket(): PointSink & { sent: MetricPoint[]; fails: boolean } {
  const sink = {
    name: "bucket",
    sent: [] as MetricPoint[],
    fails: false,
    async send(points: readonly MetricPoint[]) {
      if (sink.fails) throw new Error("no");
      sink.sent.push(...points);
    },
  };
  return sink;
}
const short = (points: readonly MetricPoint[]) =>
  points.map(({ metric, tags, at, value }) => [
    metric.name.replace("spendfuse.", ""),
    tags.agent ?? "-",
    (at - TODAY) / DAY,
    value,
  ]);

describe("what a round publishes", () => {
  test("days at their beginning by agent, and the month so far as of now", async () => {
    stage.books.costs = [cost(2), cost(1)];
    stage.books.usages = [usage(2, 10), usage(1, 10)];
    rows = [metered(2), metered(1)];
    const sink = bucket();
    const { points, errors } = await round([sink]);
    expect(errors).toEqual([]);
    expect(points).toBe(4);
    const now = (NOW - TODAY) / DAY;
    expect(short(sink.sent)).toEqual(
      expect.arrayContaining([
        ["billed.cost", "researcher", -2, 60],
        ["billed.cost", "-", -2, 40],
        ["billed.cost", "researcher", -1, 60],
        ["billed.cost", "-", -1, 40],
        ["billed.month_to_date", "researcher", now, 120],
        ["billed.month_to_date", "-", now, 80],
        ["metered.month_to_date", "researcher", now, 120],
        ["billed.lag", "-", now, (NOW - TODAY) / 1_000],
        ["ungoverned_cost", "-", now, 80],
        ["drift_ratio", "-", now, 0],
        ["poll.lag", "-", now, 0],
      ]),
    );
    expect(sink.sent).toHaveLength(13);
    expect(sink.sent[0]?.tags).toMatchObject({ vendor: "openai", project: "help_desk", key: "prod", model: "gpt-5" });
  });

  test("without news nothing at all; later the gauges alone, as a sign of life", async () => {
    stage.books.costs = [cost(1)];
    rows = [metered(1)];
    const sink = bucket();
    await round([sink]);
    sink.sent = [];
    await round([sink]);
    expect(sink.sent).toEqual([]);
    stage.clock += 300_000;
    await round([sink]);
    expect(sink.sent.map(({ metric }) => metric.name)).not.toContain("spendfuse.billed.cost");
    expect(sink.sent.length).toBeGreaterThan(0);
  });

  test.each<[string, Partial<OpenAiCost> | undefined, (string | number)[][]]>([
    [
      "up",
      { value: 200 },
      [
        ["billed.cost", "researcher", -2, 120],
        ["billed.cost", "-", -2, 80],
      ],
    ],
    [
      "down",
      { value: 50 },
      [
        ["billed.cost", "researcher", -2, 30],
        ["billed.cost", "-", -2, 20],
      ],
    ],
    [
      "away",
      undefined,
      [
        ["billed.cost", "researcher", -2, 0],
        ["billed.cost", "-", -2, 0],
      ],
    ],
  ])("a day restated %s changes its points, and no other", async (_name, change, expected) => {
    stage.books.costs = [cost(3), cost(2), cost(1)];
    rows = [metered(3), metered(2), metered(1)];
    const sink = bucket();
    await round([sink]);
    sink.sent = [];
    stage.books.costs = [cost(3), ...(change ? [cost(2, change)] : []), cost(1)];
    stage.clock += 1_000;
    await round([sink]);
    const days = short(sink.sent).filter(([name]) => name === "billed.cost");
    expect(days.sort()).toEqual(expected.sort());
    sink.sent = [];
    await round([sink]);
    expect(sink.sent.filter(({ metric }) => metric.name === "spendfuse.billed.cost")).toEqual([]);
  });

  test("what a sink did not take is sent again", async () => {
    stage.books.costs = [cost(1)];
    const sink = bucket();
    sink.fails = true;
    expect((await round([sink])).errors).toHaveLength(1);
    sink.fails = false;
    expect((await round([sink])).points).toBe(1);
  });

  test("late calls move their part of the bill from ungoverned to their agent", async () => {
    stage.books.costs = [cost(1)];
    const sink = bucket();
    await round([sink]);
    rows = [metered(1, { output: 10_000_000, cost: 100e9 })];
    sink.sent = [];
    await round([sink]);
    expect(short(sink.sent).filter(([name]) => name === "billed.cost")).toEqual([
      ["billed.cost", "researcher", -1, 100],
      ["billed.cost", "-", -1, 0],
    ]);
  });

  test("without a source of metered spend there is a bill, and no drift or ungoverned figure", async () => {
    stage.books.costs = [cost(1)];
    const sink = bucket();
    await round([sink], { metered: undefined });
    expect(new Set(sink.sent.map(({ metric }) => metric.name))).toEqual(
      new Set(
        ["billed.cost", "billed.lag", "billed.month_projection", "billed.month_to_date", "poll.lag"].map(
          (name) => `spendfuse.${name}`,
        ),
      ),
    );
  });

  test("a vendor that fails: its lag grows, and what is known is said", async () => {
    stage.books.costs = [cost(1)];
    const sink = bucket();
    await round([sink]);
    sink.sent = [];
    stage.clock += 2 * 3_600_000;
    stage.server.troubles.push(
      ...Array.from({ length: 3 }, () => ({ status: 403, body: { error: { message: "no" } } })),
    );
    const { errors } = await round([sink]);
    expect(errors).toHaveLength(1);
    expect(short(sink.sent)).toContainEqual(["poll.lag", "-", (stage.clock - TODAY) / DAY, 7_200]);
    expect(short(sink.sent)).toContainEqual(["billed.month_to_date", "-", (stage.clock - TODAY) / DAY, 100]);
  });

  test("a store that is unavailable: no figure is guessed, and the poller keeps running", async () => {
    stage.books.costs = [cost(1)];
    const sink = bucket();
    const away = async (): Promise<never> => {
      throw new Error("the store is away");
    };
    const { polled, errors } = await round([sink], { metered: away });
    expect([polled?.rows, errors.length]).toEqual([1, 1]);
    expect(short(sink.sent)).toEqual([["poll.lag", "-", (NOW - TODAY) / DAY, 0]]);
    await round([sink]);
    expect(short(sink.sent)).toContainEqual(["billed.cost", "-", -1, 100]);
  });

  test("a clock of ours that is fast is said, and the vendor's is used", async () => {
    stage.books.costs = [cost(1)];
    stage.ourClock = NOW + 40 * 60_000;
    const sink = bucket();
    const { errors } = await round([sink]);
    expect(errors).toEqual([]);
    expect(said).toEqual([expect.stringMatching(/clock is 24\d\d s ahead of OpenAI's/)]);
  });
});

test("a malformed row of the bill, and a malformed limit, are said once; the rest of the bill is read", async () => {
  stage.books.costs = [cost(1), { ...cost(2), api_key_id: "key_2", value: "many" }];
  await stage.close();
  const { costs } = stage.books;
  stage = await setStage("openai", { projects: [], keys: [], limit: "a lot" });
  stage.books.costs = costs;
  const { polled, errors } = await round([]);
  expect([polled?.rows, errors]).toEqual([1, []]);
  expect(said).toEqual([
    expect.stringMatching(/^OpenAI: its caps cannot be read \(the answer is malformed: .*a lot.*\); the bill can$/),
    expect.stringMatching(
      /^OpenAI: a row of its bill is malformed and left out \(costs 1d, .*: not an amount of money: many\)/,
    ),
  ]);
});

test("a clock that becomes wrong between two rounds is noticed by the refusal", async () => {
  stage.books.costs = [cost(1)];
  const sink = bucket();
  await round([sink]);
  said.length = 0;
  stage.ourClock = stage.clock + 20 * 60_000;
  expect((await round([sink])).errors).toEqual([]);
  expect(said).toEqual([expect.stringMatching(/clock is 1\d\d\d s ahead/)]);
});

describe("in the sandbox, with Datadog's own client", () => {
  const env = (url: string) => ({ DD_API_KEY: "x", DD_APP_KEY: "x", SPENDFUSE_DD_API_URL: url });
  const stands: SandboxServer[] = [];
  afterAll(() => Promise.all(stands.map((server) => server.close())));

  async function startSandbox(): Promise<{ sandbox: Sandbox; url: string; advance(minutes: number): Promise<void> }> {
    const clock: Clock = {
      type: "real",
      speed: 1,
      now: () => stage.clock / 1_000,
      at: (moment) => moment,
      advance: () => {},
    };
    const sandbox = createSandbox({ clock });
    preload(sandbox.account, readAssets());
    const server = await startSandboxServer(sandbox, { port: 0 });
    stands.push(server);
    return {
      sandbox,
      url: server.url,
      async advance(minutes) {
        for (let minute = 0; minute < minutes; minute++) {
          stage.clock += 60_000;
          await sandbox.tick();
        }
      },
    };
  }

  test("the finance dashboard and its monitors work on it", async () => {
    stage.books.costs = [cost(2), cost(1, { value: 130 })];
    stage.books.usages = [usage(2, 10), usage(1, 6)];
    // Two days ago 40 % is ungoverned; yesterday all is metered, and billed at 30 % more.
    rows = [metered(2), metered(1, { output: 10_000_000, cost: 100e9 })];
    const { sandbox, url, advance } = await startSandbox();
    const sink = createSeriesSink(await openClient({ env: env(url), user: "test" }));
    for (let minute = 0; minute < 35; minute += 5) {
      expect((await round([sink])).errors).toEqual([]);
      await advance(5);
    }
    const named = (name: string) => {
      const [id] = [...sandbox.engine.watches].find(([, { body }]) => body.name === name) ?? [];
      return sandbox.engine.transitions.filter(({ monitor }) => monitor === id);
    };
    expect(named("Vendor bill differs from metered cost")).toMatchObject([
      { group: "vendor:openai,project:help_desk", transition: "Triggered", value: 0.1875 },
    ]);
    expect(named("Vendor billed spend that was not metered")).toEqual([]);
    expect(named("Vendor bill poller has not run for 6 h")).toEqual([]);

    stage.books.costs = [cost(3, { api_key_id: "key_2" }), cost(2), cost(1)];
    rows = [metered(2, { output: 10_000_000, cost: 100e9 }), metered(1, { output: 10_000_000, cost: 100e9 })];
    for (let minute = 0; minute < 10; minute += 5) {
      await round([sink]);
      await advance(5);
    }
    expect(named("Vendor billed spend that was not metered")).toMatchObject([
      { group: "vendor:openai", transition: "Triggered", value: 100 },
    ]);

    const widgets = sandbox.account.dashboards().find(({ body }) => String(body.title).includes("Finance"))?.body
      .widgets as readonly { readonly definition: { readonly widgets?: readonly Widget[] } }[];
    const drawn = new Map<string, number | undefined>();
    const now = Math.floor(stage.clock / 1_000);
    for (const { definition } of widgets.flatMap((group) => group.definition.widgets ?? [])) {
      for (const request of definition.requests ?? []) {
        const variables = { vendor: "*", project: "*", model: "*", agent: "*" };
        const answer = draw(
          {
            request,
            from: definition.type === "query_value" ? now - 300 : now - 20 * 86_400,
            to: now,
            variables,
            points: 20,
          },
          sandbox.store,
        );
        expect(answer.fault, definition.title).toBeUndefined();
        if (definition.type === "query_value")
          drawn.set(definition.title ?? "", answer.rows[0]?.values[0] ?? undefined);
        else if (!/metered|team|budgets|drift of more/i.test(definition.title ?? ""))
          expect(answer.rows.length + answer.series.length, definition.title).toBeGreaterThan(0);
      }
    }
    expect(drawn.get("Billed this month")).toBeCloseTo(300, 6);
    expect(drawn.get("Metered, on the bill")).toBeCloseTo(200, 6);
    expect(drawn.get("Ungoverned")).toBeCloseTo(100, 6);
    expect(drawn.get("Drift")).toBeCloseTo(0, 6);

    await advance(560);
    expect(named("Vendor bill poller has not run for 6 h")).toMatchObject([
      { group: "vendor:openai", transition: "No Data" },
    ]);
  });

  interface Widget {
    readonly definition: {
      readonly type: string;
      readonly title?: string;
      readonly requests?: readonly Record<string, unknown>[];
    };
  }

  test("a day's points are overwritten, never added to", async () => {
    stage.books.costs = [cost(1)];
    rows = [metered(1)];
    const { sandbox, url } = await startSandbox();
    const sink = createSeriesSink(await openClient({ env: env(url), user: "test" }));
    await round([sink]);
    stage.books.costs = [cost(1, { value: 150 })];
    await round([sink]);
    const request = {
      response_format: "scalar",
      queries: [
        {
          data_source: "metrics",
          name: "a",
          query: "sum:spendfuse.billed.cost{*}.rollup(sum, 86400)",
          aggregator: "sum",
        },
      ],
      formulas: [{ formula: "a" }],
    };
    const at = Math.floor(stage.clock / 1_000);
    const answer = draw({ request, from: at - 5 * 86_400, to: at, variables: {}, points: 20 }, sandbox.store);
    expect(answer.rows[0]?.values[0]).toBeCloseTo(150, 6);
  });

  test("custom costs are replaced by the day, and never doubled, whatever died in between", async () => {
    stage.books.costs = [cost(2), cost(1)];
    rows = [metered(2), metered(1)];
    const { sandbox, url } = await startSandbox();
    const costs = createCustomCosts(openRest({ env: env(url) }));
    const total = () =>
      sandbox.account
        .customCosts()
        .flatMap(({ lines }) => lines)
        .reduce((sum, { BilledCost }) => sum + BilledCost, 0);
    expect((await round([], { costs })).uploads).toBe(2);
    expect([sandbox.account.customCosts().length, total()]).toEqual([2, 200]);
    expect((await round([], { costs })).uploads).toBe(0);
    const files = sandbox.account.customCosts().map(({ id }) => id);
    expect([2, 1].map((days) => book.upload("openai", TODAY - days * DAY)?.file)).toEqual(files);
    stage.books.costs = [cost(2), cost(1, { value: 300 })];
    expect((await round([], { costs })).uploads).toBe(1);
    expect([sandbox.account.customCosts().length, total()]).toEqual([2, 400]);
    // It died after the upload and before it knew the file.
    book.putUpload("openai", TODAY - DAY, { content: "", file: undefined });
    await round([], { costs });
    expect([sandbox.account.customCosts().length, total()]).toEqual([2, 400]);
    expect(sandbox.account.customCosts()[0]?.lines[0]).toMatchObject({
      ProviderName: "OpenAI by spendfuse",
      BillingCurrency: "USD",
      Tags: { agent: "researcher", root_agent: "researcher", team: "search", governed: "true", model: "gpt-5" },
    });
    stage.books.costs = [cost(1, { value: 300 })];
    await round([], { costs });
    expect([sandbox.account.customCosts().length, total()]).toEqual([1, 300]);
  });

  test("points that Datadog does not take, with 202 all the same, are an error", async () => {
    const { url } = await startSandbox();
    const sink = createSeriesSink(await openClient({ env: env(url), user: "test" }));
    const point = {
      metric: { ...(await import("../../src/core/names.ts")).METRICS.pollLag },
      tags: {},
      at: NOW,
      value: 1,
    };
    await sink.send([point]);
    await expect(sink.send([{ ...point, metric: { ...point.metric, name: "" } }])).rejects.toMatchObject({
      code: "SPENDFUSE_DATADOG",
      message: expect.stringContaining("must be a name"),
    });
    await expect(sink.send([{ ...point, value: Number.NaN }])).rejects.toThrow("not a number");
  });

  test("without a store what was metered is read from Datadog, by agent and model", async () => {
    const { sandbox, url } = await startSandbox();
    const at = stage.clock / 1_000 - 600;
    const tags = (more: string) =>
      `agent:researcher,root_agent:boss,provider:openai,model:gpt-5,quality:reported,process:a${more}`.split(",");
    const write = (metric: string, value: number, more = ""): void => {
      sandbox.store.write(metric, "count", metric + more, () => tags(more), at, value);
    };
    write("spendfuse.cost", 6.5);
    write("spendfuse.tokens", 900, ",token_type:input_uncached");
    write("spendfuse.tokens", 60, ",token_type:output");
    write("spendfuse.tokens", 40, ",token_type:reasoning");
    write("spendfuse.calls", 3, ",ending:completed,stream:true,priced:true");
    write("spendfuse.calls", 2, ",ending:failed,stream:true,priced:none");
    write("spendfuse.charges", 0.25, ",what:web_search");
    const query = createMeteredQuery(await openClient({ env: env(url), user: "test" }), () => stage.clock);
    expect(await query(TODAY - DAY, TODAY)).toEqual([]);
    expect(await query(TODAY, TODAY + DAY)).toEqual([
      {
        ...NOTHING_METERED,
        day: TODAY,
        provider: "openai",
        model: "gpt-5",
        agent: "researcher",
        rootAgent: "boss",
        quality: "reported",
        priced: "true",
        tier: "",
        key: "",
        team: "",
        project: "",
        calls: 3,
        cost: 6_500_000_000,
        inputUncached: 900,
        output: 100,
      },
      expect.objectContaining({
        ...{ provider: "charge", model: "web_search", agent: "researcher", rootAgent: "boss" },
        ...{ calls: 0, cost: 250_000_000, priced: "true" },
      }),
    ]);
  });
});
