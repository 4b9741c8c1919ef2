import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openBook } from "../../../src/billing/book.ts";
import { isClaude, OPENROUTER_PATH, resold } from "../../../src/demo/fake-vendor/billing-account.ts";
import type { BilledCall } from "../../../src/demo/fake-vendor.ts";
import { callFor } from "./calls.ts";
import { type App, type LateStage, meteredIn, runPoller, setLateStage, startApp } from "./stage.ts";

let stage: LateStage;
let app: App;

beforeEach(async () => {
  stage = await setLateStage();
  app = await startApp(stage);
});
afterEach(async () => {
  await app.runtime.stop();
  await stage.close();
});

/** What the vendors bill, in nano-USD. */
function billed(calls: readonly BilledCall[]): number {
  return calls.reduce((sum, call) => sum + (call.path === OPENROUTER_PATH ? resold(call.cost) : call.cost), 0);
}

async function done(): Promise<void> {
  await stage.vendor.idle();
  await app.runtime.flush();
}

describe("a stream that was left is exact once the vendor has said more", () => {
  test("OpenRouter, by the call: to the nano-dollar, with OpenRouter's own price", async () => {
    for (const chunks of [3, 20, 60]) await callFor(app, stage.vendor, "openrouter", { chunks });
    await done();
    const before = await meteredIn(stage.store);
    expect(before).toEqual({ estimated: { calls: 3, cost: expect.any(Number) } });
    expect(before.estimated?.cost).not.toBe(billed(stage.bill()));
    const { results } = await runPoller(stage);
    expect(results.flatMap(({ errors }) => errors)).toEqual([]);
    expect(await meteredIn(stage.store)).toEqual({ settled: { calls: 3, cost: billed(stage.bill()) } });
    expect(stage.bill().every(({ ending }) => ending === "canceled")).toBe(true);
  });

  test.each(["openai", "anthropic"] as const)("%s, by the minute: beside calls that were reported", async (name) => {
    await callFor(app, stage.vendor, name);
    await callFor(app, stage.vendor, name, { chunks: 12 });
    await callFor(app, stage.vendor, name, { prompt: "And of the land?" });
    await callFor(app, stage.vendor, name, { agent: "writer", chunks: 5 });
    await done();
    const before = await meteredIn(stage.store);
    expect(before.estimated?.calls).toBe(2);
    const { results } = await runPoller(stage);
    expect(results.flatMap(({ errors }) => errors)).toEqual([]);
    const after = await meteredIn(stage.store);
    expect(Object.keys(after).sort()).toEqual(["reported", "settled"]);
    expect(after.reported).toEqual(before.reported);
    expect((after.reported?.cost ?? 0) + (after.settled?.cost ?? 0)).toBe(billed(stage.bill()));
    const rows = await stage.store.metered(0, Number.MAX_SAFE_INTEGER);
    const writer = stage.bill().filter(({ agent }) => agent === "writer");
    expect(rows.filter(({ agent }) => agent === "writer")).toMatchObject([
      { quality: "settled", cost: billed(writer) },
    ]);
    expect(stage.bill().every((call) => isClaude(call) === (name === "anthropic"))).toBe(true);
  });

  test("several of one minute share what is left by their estimates, and their sum is exact", async () => {
    await callFor(app, stage.vendor, "openai", { chunks: 30 });
    await callFor(app, stage.vendor, "openai", {
      chunks: 3,
      prompt: "A much longer question about the sea. ".repeat(9),
    });
    await callFor(app, stage.vendor, "openai");
    await done();
    await runPoller(stage);
    const after = await meteredIn(stage.store);
    expect(after.settled?.calls).toBe(2);
    expect((after.reported?.cost ?? 0) + (after.settled?.cost ?? 0)).toBe(billed(stage.bill()));
  });

  test("a second round changes nothing, and sends nothing", async () => {
    await callFor(app, stage.vendor, "openrouter", { chunks: 9 });
    await callFor(app, stage.vendor, "openai", { chunks: 9 });
    await done();
    const first = await runPoller(stage);
    expect(first.sent.length).toBeGreaterThan(2);
    const settled = await meteredIn(stage.store);
    const asked = stage.openrouter.seen.length;
    const second = await runPoller(stage);
    expect(second.sent).toEqual([]);
    expect(await meteredIn(stage.store)).toEqual(settled);
    expect(stage.openrouter.seen).toHaveLength(asked);
  });
});

describe("what is sent", () => {
  test("adds up to what the vendor said", async () => {
    await callFor(app, stage.vendor, "openrouter", { chunks: 9 });
    await callFor(app, stage.vendor, "openrouter", { chunks: 30, agent: "writer" });
    await done();
    const before = await meteredIn(stage.store);
    const { sent } = await runPoller(stage);
    const sum = (name: string): number =>
      Math.round(sent.filter(({ metric }) => metric.name === name).reduce((all, { value }) => all + value, 0) * 1e9);
    const change = sum("spendfuse.cost") - sum("spendfuse.overestimated_cost");
    expect((before.estimated?.cost ?? 0) + change).toBe(billed(stage.bill()));
    expect(sum("spendfuse.settled_calls")).toBe(2e9);
    expect(sent.every(({ value }) => value > 0)).toBe(true);
    expect(sent.every(({ tags }) => tags.process === "poll")).toBe(true);
  });

  test("has a second of its own in each round, because a later point of the same second replaces one", async () => {
    const book = await openBook(stage.bookPath, { alone: true });
    const now = Date.now() + stage.aheadMs;
    const times = new Set<number>();
    for (let round = 0; round < 3; round += 1) {
      await callFor(app, stage.vendor, "openrouter", { chunks: 9 });
      await done();
      const { sent } = await runPoller(stage, { book, now: () => now });
      expect(sent.length).toBeGreaterThan(0);
      for (const { at } of sent) times.add(Math.floor(at / 1_000));
    }
    expect(times.size).toBe(3);
    book.close();
  });

  test("is sent again after a failure, with the same times", async () => {
    await callFor(app, stage.vendor, "openrouter", { chunks: 9 });
    await done();
    const first: unknown[] = [];
    const refuse = async (points: readonly unknown[]): Promise<void> => {
      first.push(...points);
      throw new Error("refused");
    };
    const failed = await runPoller(stage, { sinks: [{ name: "test", send: refuse }] });
    expect(failed.errors).toMatchObject([{ message: "refused" }]);
    const { sent } = await runPoller(stage);
    expect(sent).toEqual(first);
  });
});

describe("a call stays marked as estimated", () => {
  test("while the vendor does not know it, and then settles", async () => {
    await callFor(app, stage.vendor, "openrouter", { chunks: 9 });
    await done();
    const away = Array.from({ length: 3 }, () => ({
      status: 404,
      body: { error: { code: 404, message: "not found" } },
    }));
    stage.openrouter.troubles.push(...away);
    stage.aheadMs = 1_000;
    const { slept } = await runPoller(stage);
    expect(slept).toEqual([500, 1_000, 2_000]);
    expect(await meteredIn(stage.store)).toMatchObject({ settled: { calls: 1, cost: billed(stage.bill()) } });
  });

  test("when the vendor knows it after no number of tries, which are fewer and fewer", async () => {
    await callFor(app, stage.vendor, "openrouter", { chunks: 9 });
    await done();
    const attempts = new Map();
    const notFound = { status: 404, body: {} };
    let asked = 0;
    for (let minute = 0; minute < 120; minute += 1) {
      stage.aheadMs = 30 * 60_000 + minute * 60_000;
      stage.openrouter.troubles.push(notFound);
      const before = stage.openrouter.seen.length;
      await runPoller(stage, { attempts });
      asked += stage.openrouter.seen.length - before;
      stage.openrouter.troubles.length = 0;
    }
    expect(asked).toBeGreaterThan(3);
    expect(asked).toBeLessThan(10);
    expect(await meteredIn(stage.store)).toMatchObject({ estimated: { calls: 1 } });
  });

  test("when the key made calls that were not metered", async () => {
    await callFor(app, stage.vendor, "openai", { chunks: 9 });
    await callFor({ ...app, fetch: globalThis.fetch }, stage.vendor, "openai");
    await done();
    await runPoller(stage);
    expect(await meteredIn(stage.store)).toMatchObject({ estimated: { calls: 1 } });
  });

  test("while the vendor has not counted every call of the minute", async () => {
    await callFor(app, stage.vendor, "openai", { chunks: 9 });
    await callFor(app, stage.vendor, "openai");
    await done();
    const kept = [...stage.bill()];
    (stage.bill() as BilledCall[]).splice(1);
    await runPoller(stage);
    expect(await meteredIn(stage.store)).toMatchObject({ estimated: { calls: 1 } });
    (stage.bill() as BilledCall[]).splice(0, 1, ...kept);
    await runPoller(stage);
    expect(await meteredIn(stage.store)).toMatchObject({ settled: { calls: 1 }, reported: { calls: 1 } });
  });

  test("when its minute has just ended", async () => {
    await callFor(app, stage.vendor, "openai", { chunks: 9 });
    await done();
    stage.aheadMs = 60_000;
    await runPoller(stage);
    expect(await meteredIn(stage.store)).toMatchObject({ estimated: { calls: 1 } });
    expect(stage.openai.seen).toEqual([]);
  });

  const generation = (fields: object): { status: number; body: unknown } => ({
    status: 200,
    body: {
      data: {
        ...{ id: stage.bill()[0]?.id, total_cost: 0.01, native_tokens_prompt: 10, native_tokens_completion: 5 },
        ...fields,
      },
    },
  });

  test.each<readonly [string, () => { status: number; body: unknown }]>([
    ["garbage", () => ({ status: 200, body: "<html>" })],
    ["nothing", () => ({ status: 200, body: undefined })],
    ["a list", () => ({ status: 200, body: [] })],
    ["no data", () => ({ status: 200, body: { data: null } })],
    ["another call", () => generation({ id: "gen-other" })],
    ["a negative cost", () => generation({ total_cost: -1 })],
    ["a cost of 1e300", () => generation({ total_cost: 1e300 })],
    ["a cost of a million", () => generation({ total_cost: 1e6 })],
    ["no cost", () => generation({ total_cost: null })],
    ["a cost in words", () => generation({ total_cost: "much" })],
    ["negative tokens", () => generation({ native_tokens_prompt: -5 })],
    ["half a token", () => generation({ native_tokens_completion: 0.5 })],
    ["1e12 tokens", () => generation({ native_tokens_completion: 1e12 })],
    ["no tokens", () => generation({ native_tokens_prompt: 0, native_tokens_completion: 0 })],
  ])("when OpenRouter answers with %s", async (_, trouble) => {
    await callFor(app, stage.vendor, "openrouter", { chunks: 9 });
    await done();
    const before = await meteredIn(stage.store);
    stage.openrouter.troubles.push(trouble() as never);
    const { said, sent, results } = await runPoller(stage);
    expect(said).toEqual([expect.stringContaining("OpenRouter gave an answer about late calls that cannot be right")]);
    expect(sent).toEqual([]);
    expect(results.flatMap(({ errors }) => errors)).toEqual([]);
    expect(await meteredIn(stage.store)).toEqual(before);
    await runPoller(stage);
    expect(await meteredIn(stage.store)).toEqual({ settled: { calls: 1, cost: billed(stage.bill()) } });
  });

  const bucket = (fields: object): { status: number; body: unknown } => ({
    status: 200,
    body: {
      object: "page",
      has_more: false,
      next_page: null,
      data: [
        {
          object: "bucket",
          start_time: Math.floor((stage.bill()[0]?.at ?? 0) / 60_000) * 60,
          results: [
            {
              ...{ object: "organization.usage.completions.result", api_key_id: "key_researcher" },
              ...{ model: "gpt-5-2025-08-07", service_tier: "default", batch: false, num_model_requests: 1 },
              ...{ input_tokens: 10, output_tokens: 5 },
              ...fields,
            },
          ],
        },
      ],
    },
  });

  test.each<readonly [string, () => { status: number; body: unknown }, boolean]>([
    ["garbage", () => ({ status: 200, body: "<html>" }), true],
    ["no list", () => ({ status: 200, body: { data: {} } }), true],
    ["buckets without results", () => ({ status: 200, body: { data: [{ start_time: 0 }] } }), true],
    ["negative tokens", () => bucket({ output_tokens: -1 }), true],
    ["more cached than read", () => bucket({ input_cached_tokens: 11 }), true],
    ["1e300 tokens", () => bucket({ output_tokens: 1e300 }), true],
    ["more tokens than one call can have", () => bucket({ output_tokens: 2 ** 40 }), false],
    ["no tokens yet", () => bucket({ input_tokens: 0, output_tokens: 0 }), false],
    ["another model", () => bucket({ model: "gpt-6" }), false],
    ["another key", () => bucket({ api_key_id: "key_other" }), false],
    ["a batch", () => bucket({ batch: true }), false],
    ["two requests", () => bucket({ num_model_requests: 2 }), false],
  ])("when OpenAI answers with %s", async (_, trouble, isInvalid) => {
    await callFor(app, stage.vendor, "openai", { chunks: 9 });
    await done();
    const before = await meteredIn(stage.store);
    const ready = (stage.openai.troubles as unknown[]).length;
    expect(ready).toBe(0);
    // The names come first.
    const names = await namesOf();
    stage.openai.troubles.push(...names, trouble() as never);
    const { said, results } = await runPoller(stage);
    expect(said.length > 0).toBe(isInvalid);
    expect(results.flatMap(({ errors }) => errors)).toEqual([]);
    expect(await meteredIn(stage.store)).toEqual(before);
    stage.openai.troubles.length = 0;
    await runPoller(stage);
    expect(await meteredIn(stage.store)).toEqual({ settled: { calls: 1, cost: billed(stage.bill()) } });
  });

  /** The answers to the requests for names, as the vendor gives them. */
  async function namesOf() {
    const answers = [];
    for (const path of ["projects", "projects/proj_demo/api_keys"]) {
      const headers = { authorization: `Bearer ${stage.env.OPENAI_ADMIN_KEY}` };
      const response = await fetch(`${stage.openai.url}/v1/organization/${path}`, { headers });
      answers.push({ status: response.status, body: (await response.json()) as object });
    }
    return answers;
  }
});

describe("a vendor that limits or refuses us", () => {
  test("is asked again after its delay", async () => {
    await callFor(app, stage.vendor, "openrouter", { chunks: 9 });
    await done();
    stage.openrouter.troubles.push({ status: 429, body: {}, headers: { "retry-after": "7" } });
    const { slept } = await runPoller(stage);
    expect(slept).toEqual([7_000]);
    expect(await meteredIn(stage.store)).toMatchObject({ settled: { calls: 1 } });
  });

  test("is an error with the fix, and the others settle", async () => {
    await callFor(app, stage.vendor, "openrouter", { chunks: 9 });
    await callFor(app, stage.vendor, "openai", { chunks: 9 });
    await done();
    stage.openrouter.troubles.push({ status: 401, body: { error: { message: "no" } } });
    const { results } = await runPoller(stage);
    const errors = results.flatMap((one) => one.errors);
    expect(errors).toMatchObject([{ code: "SPENDFUSE_VENDOR", message: expect.stringContaining("OPENROUTER") }]);
    expect(await meteredIn(stage.store)).toMatchObject({ settled: { calls: 1 }, estimated: { calls: 1 } });
  });
});
