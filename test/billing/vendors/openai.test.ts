import type OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readLineItem } from "../../../src/billing/vendors/openai/line-item.ts";
import { KEYS_SINCE } from "../../../src/billing/vendors/openai/sources.ts";
import { openai } from "../../../src/billing/vendors/openai.ts";
import type { OpenAiCost, OpenAiUsage } from "../../../src/demo/fake-vendor/billing/openai.ts";
import { DAY, NOW, type Stage, setStage, TODAY } from "../stage.ts";

const seconds = (ms: number): number => ms / 1_000;
const cost = (fields: Partial<OpenAiCost> = {}): OpenAiCost => ({
  day: seconds(TODAY - DAY),
  project_id: "proj_abc",
  api_key_id: "key_1",
  line_item: "gpt-6-astra, input_tokens",
  value: 0.06,
  quantity: 10_000,
  quantity_unit: "tokens",
  ...fields,
});
const usage = (fields: Partial<OpenAiUsage> = {}): OpenAiUsage => ({
  day: seconds(TODAY - DAY),
  report: "completions",
  project_id: "proj_abc",
  api_key_id: "key_1",
  model: "gpt-6-astra",
  batch: false,
  service_tier: "default",
  counts: { input_tokens: 1_500, input_cached_tokens: 1_024, output_tokens: 300, num_model_requests: 2 },
  ...fields,
});

let stage: Stage;
beforeEach(async () => {
  stage = await setStage("openai", {
    projects: [{ id: "proj_abc", name: "Help Desk" }],
    keys: [{ id: "key_1", name: "prod", project: "proj_abc" }],
    limit: 500_000,
    alerts: [400_000],
    projectLimits: { proj_abc: 100_000 },
  });
});
afterEach(() => stage.close());

const charges = async () => (await stage.rows()).flatMap((row) => openai.charge(row) ?? []);
const usages = async () => (await stage.rows()).flatMap((row) => openai.usage(row) ?? []);

describe("OpenAI's costs", () => {
  test("are dollars, as numbers or texts", async () => {
    stage.books.costs = [cost(), cost({ line_item: "gpt-6-astra, output_tokens", value: "1.5e-7" })];
    await stage.poll();
    expect((await charges()).map(({ nano }) => nano).sort()).toEqual([150n, 60_000_000n]);
  });

  test("say key, project, model and kind, with the tokens they are for", async () => {
    stage.books.costs = [cost()];
    await stage.poll();
    expect(await charges()).toEqual([
      {
        day: TODAY - DAY,
        project: "proj_abc",
        key: "key_1",
        model: "gpt-6-astra",
        tier: undefined,
        type: "input_uncached",
        nano: 60_000_000n,
        quantity: 10_000,
      },
    ]);
  });

  test("a payload of the documentation, as the SDK types it", () => {
    const page: OpenAI.Admin.Organization.UsageCostsResponse = {
      object: "page",
      data: [
        {
          object: "bucket",
          start_time: 1_730_419_200,
          end_time: 1_730_505_600,
          results: [
            {
              object: "organization.costs.result",
              amount: { value: 0.06, currency: "usd" },
              line_item: "gpt-6-astra, input_tokens",
              project_id: "proj_abc",
              api_key_id: null,
              quantity: 10_000,
              quantity_unit: "tokens",
            },
          ],
        },
      ],
      has_more: false,
      next_page: null,
    };
    stage.server.troubles.push({ status: 200, body: page });
    return expect(stage.poll({ from: 1_730_419_200_000, until: 1_730_505_600_000 }))
      .resolves.toMatchObject({ rows: 1 })
      .then(async () => {
        const [only] = await charges();
        expect(only).toMatchObject({ day: 1_730_419_200_000, nano: 60_000_000n, key: undefined });
      });
  });

  test("in another currency are refused, and nothing is kept of them", async () => {
    const result = {
      object: "organization.costs.result",
      amount: { value: 1, currency: "eur" },
      line_item: "x, input",
    };
    const bucket = { object: "bucket", start_time: seconds(TODAY), end_time: seconds(NOW), results: [result] };
    stage.server.troubles.push({ status: 200, body: { data: [bucket], has_more: false, next_page: null } });
    await expect(stage.poll()).rejects.toMatchObject({
      code: "SPENDFUSE_VENDOR",
      message: expect.stringContaining("eur"),
    });
    expect(await stage.rows()).toEqual([]);
  });

  test("ask for no more buckets than are allowed, in no window that ends in the future", async () => {
    await stage.poll({ from: NOW - 300 * DAY });
    const asked = stage.server.seen.map((url) => new URL(url, "http://x").searchParams);
    for (const query of asked) {
      if (query.has("limit")) expect(Number(query.get("limit"))).toBeLessThanOrEqual(60);
      if (query.has("end_time")) expect(Number(query.get("end_time"))).toBeLessThanOrEqual(seconds(NOW));
    }
    expect(asked.length).toBeGreaterThan(10);
  });

  test("before the keys' epoch come without keys, and no window lies across it", async () => {
    const before = KEYS_SINCE - DAY;
    stage.books.costs = [cost({ day: seconds(before) }), cost({ day: seconds(KEYS_SINCE) })];
    await stage.poll({ from: before - 3 * DAY, until: KEYS_SINCE + 3 * DAY });
    expect((await charges()).map(({ day, key }) => [day, key])).toEqual([
      [before, undefined],
      [KEYS_SINCE, "key_1"],
    ]);
  });

  test("when the epoch has moved, the refusal names it, and the rest is asked again", async () => {
    await stage.close();
    const since = seconds(TODAY - 10 * DAY) + 3_600;
    stage = await setStage("openai", { keysSince: since });
    stage.books.costs = [12, 11, 10, 9, 1].map((days) => cost({ day: seconds(TODAY - days * DAY) }));
    await stage.poll({ from: TODAY - 20 * DAY });
    expect((await charges()).map(({ day, key }) => [(TODAY - day) / DAY, key])).toEqual([
      [12, undefined],
      [11, undefined],
      [10, undefined],
      [9, "key_1"],
      [1, "key_1"],
    ]);
  });

  test("without project or key are kept as such", async () => {
    stage.books.costs = [cost({ project_id: null, api_key_id: null, line_item: "Scale Tier", quantity: null })];
    await stage.poll();
    expect(await charges()).toMatchObject([{ project: "", key: "", type: "other", nano: 60_000_000n }]);
  });

  test("an answer that is no report leaves what was read", async () => {
    stage.books.costs = [cost()];
    await stage.poll();
    for (const body of [{ error: { message: "odd" } }, { data: [{ start_time: seconds(TODAY) }] }, { data: null }]) {
      stage.server.troubles.push({ status: 200, body });
      await expect(stage.poll()).rejects.toMatchObject({ code: "SPENDFUSE_VENDOR" });
      expect(await charges()).toHaveLength(1);
    }
  });

  test("of buckets that the vendor leaves out stay as they were", async () => {
    stage.books.costs = [cost(), cost({ day: seconds(TODAY - 2 * DAY) })];
    await stage.poll();
    const bucket = { object: "bucket", start_time: seconds(TODAY - DAY), end_time: seconds(TODAY), results: [] };
    stage.server.troubles.push({ status: 200, body: { data: [bucket], has_more: false, next_page: null } });
    await stage.poll();
    expect((await charges()).map(({ day }) => day)).toEqual([TODAY - 2 * DAY]);
  });
});

describe("OpenAI's usage", () => {
  test("has cached and written tokens inside the input", async () => {
    const counts = {
      input_tokens: 2_000,
      input_cached_tokens: 1_000,
      input_cache_write_tokens: 300,
      output_tokens: 50,
      num_model_requests: 4,
    };
    stage.books.usages = [usage({ counts })];
    await stage.poll();
    expect(await usages()).toMatchObject([
      {
        counts: { input_uncached: 700, cache_read: 1_000, cache_write: 300, output: 50 },
        requests: 4,
        tier: "default",
      },
    ]);
  });

  test("tells batches apart", async () => {
    stage.books.usages = [usage(), usage({ batch: true })];
    await stage.poll();
    expect((await usages()).map(({ tier }) => tier).sort()).toEqual(["batch", "default"]);
  });

  test("of embeddings and web searches", async () => {
    stage.books.usages = [
      usage({ report: "embeddings", counts: { input_tokens: 9, num_model_requests: 1 } }),
      usage({ report: "web_search_calls", counts: { num_requests: 3, num_model_requests: 1 } }),
    ];
    await stage.poll();
    const found = await usages();
    expect(found).toContainEqual(expect.objectContaining({ counts: { web_search: 3 } }));
    expect(found).toContainEqual(expect.objectContaining({ counts: expect.objectContaining({ input_uncached: 9 }) }));
  });
});

describe("a line item's text", () => {
  test.each([
    ["gpt-6-astra, input_tokens", "gpt-6-astra", "input_uncached", undefined],
    ["gpt-4o-2024-08-06, cached input", "gpt-4o-2024-08-06", "cache_read", undefined],
    ["gpt-5.6, cache write input tokens", "gpt-5.6", "cache_write", undefined],
    ["o3, output", "o3", "output", undefined],
    ["gpt-5, batch input", "gpt-5", "input_uncached", "batch"],
    ["gpt-5, priority output", "gpt-5", "output", "priority"],
    ["gpt-5, flex cached input", "gpt-5", "cache_read", "flex"],
    ["text-embedding-3-small, input", "text-embedding-3-small", "input_uncached", undefined],
    ["web search, gpt-5", "", "web_search", undefined],
    ["gpt-5, web search calls", "gpt-5", "web_search", undefined],
    ["Code interpreter sessions", "", "other", undefined],
    ["assistants api | file search", "", "other", undefined],
    ["gpt-image-2, image generation", "gpt-image-2", "other", undefined],
    ["something new", "", "other", undefined],
    ["", "", "other", undefined],
  ])("%s", (text, model, type, tier) => {
    expect(readLineItem(text)).toEqual({ model, type, tier });
  });
});

describe("OpenAI's account", () => {
  const open = () =>
    openai.open({ key: "sk-admin-test", url: stage.server.url, env: {}, onServerTime: () => {}, now: () => NOW });

  test("names projects and keys", async () => {
    expect(await (await open()).names()).toEqual([
      { kind: "project", id: "proj_abc", name: "Help Desk" },
      { kind: "key", id: "key_1", name: "prod" },
    ]);
  });

  test("caps are cents, though costs are dollars", async () => {
    expect(await (await open()).caps()).toEqual([
      { scope: "organization", id: "", nano: 5_000_000_000_000n, per: "month", effect: "stops" },
      { scope: "organization", id: "", nano: 4_000_000_000_000n, per: "month", effect: "tells" },
      { scope: "project", id: "proj_abc", nano: 1_000_000_000_000n, per: "month", effect: "stops" },
    ]);
  });

  test.each([
    ["sk-wrong", 401, "must be an admin key"],
    ["sk-proj-1", 403, "must be an admin key"],
  ])("the key %s: %i, and what it must be", async (key, status, words) => {
    await expect(stage.poll({}, key)).rejects.toMatchObject({
      code: "SPENDFUSE_VENDOR",
      facts: { vendor: "openai", status },
      message: expect.stringMatching(new RegExp(`OPENAI_ADMIN_KEY.*${words}`)),
    });
    expect(stage.slept).toEqual([]);
  });
});
