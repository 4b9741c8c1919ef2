import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openrouter } from "../../../src/billing/vendors/openrouter.ts";
import type { OpenRouterActivity } from "../../../src/demo/fake-vendor/billing/openrouter.ts";
import { hashKey } from "../../../src/meter/identity/api-key.ts";
import { DAY, NOW, type Stage, setStage, TODAY } from "../stage.ts";

const dayText = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
const KEY = "sk-or-v1-abc";
const HASH = createHash("sha256").update(KEY).digest("hex");
const activity = (fields: Partial<OpenRouterActivity> = {}): OpenRouterActivity => ({
  date: dayText(TODAY - DAY),
  model: "openai/gpt-4.1",
  model_permaslug: "openai/gpt-4.1-2025-04-14",
  endpoint_id: "550e8400",
  provider_name: "OpenAI",
  key: HASH,
  usage: 0.015,
  byok_usage_inference: 0.012,
  requests: 5,
  prompt_tokens: 50,
  completion_tokens: 125,
  reasoning_tokens: 25,
  ...fields,
});

let stage: Stage;
beforeEach(async () => {
  stage = await setStage("openrouter", {
    keys: [{ hash: HASH, name: "prod", limit: 25.5 }],
    credits: { total_credits: 100.5, total_usage: 25.75 },
  });
});
afterEach(() => stage.close());
const charges = async () => (await stage.rows()).flatMap((row) => openrouter.charge(row) ?? []);

describe("OpenRouter", () => {
  test("costs are dollars by key; what no key has is ungoverned", async () => {
    stage.books.costs = [activity(), activity({ key: null, usage: 0.4, requests: 1 })];
    await stage.poll();
    expect((await charges()).map(({ key, nano, quantity }) => [key, nano, quantity])).toEqual([
      ["", 400_000_000n, 175],
      [HASH, 15_000_000n, 175],
    ]);
  });

  test("answers for thirty days that are over, and never for today", async () => {
    stage.books.costs = [activity({ date: dayText(TODAY) }), activity({ date: dayText(TODAY - 40 * DAY) }), activity()];
    await stage.poll({ from: TODAY - 60 * DAY });
    expect((await charges()).map(({ day }) => day)).toEqual([TODAY - DAY]);
  });

  test("days that have left the thirty are kept", async () => {
    stage.books.costs = [activity({ date: dayText(TODAY - 29 * DAY) })];
    await stage.poll();
    stage.clock += 5 * DAY;
    await stage.poll();
    expect(await charges()).toHaveLength(1);
  });

  test("a key is the meter's key, by its hash", async () => {
    const options = {
      key: "sk-or-management-test",
      url: stage.server.url,
      env: {},
      onServerTime: () => {},
      now: () => NOW,
    };
    const account = await openrouter.open(options);
    expect(await account.names()).toEqual([{ kind: "key", id: HASH, name: "prod", meteredKey: hashKey(KEY) }]);
    expect(await account.caps()).toEqual([
      { scope: "credits", id: "", nano: 100_500_000_000n, per: "ever", effect: "stops" },
      { scope: "key", id: HASH, nano: 25_500_000_000n, per: "month", effect: "stops" },
    ]);
  });

  test("a key for calls is told from a management key", async () => {
    await expect(stage.poll({}, "sk-or-v1-plain")).rejects.toMatchObject({
      code: "SPENDFUSE_VENDOR",
      facts: { status: 401 },
      message: expect.stringMatching(/OPENROUTER_MANAGEMENT_KEY.*management key/),
    });
  });
});
