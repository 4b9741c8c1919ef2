import { describe, expect, test } from "vitest";
import { ATTR, METRICS } from "../../../src/core/names.ts";
import { newReading } from "../../../src/meter/wire/formats/format.ts";
import type { Gateway } from "../../../src/meter/wire/gateways/gateway.ts";
import { createGatewayMemory, readHead } from "../../../src/meter/wire/gateways/host-gateway.ts";
import * as registry from "../../../src/meter/wire/gateways/registry.ts";
import { createHostLookup } from "../../../src/meter/wire/hosts.ts";
import { collectMetrics, startUserTracing, stopUserTelemetry } from "../../known-failures/tracing.ts";
import { DONE, data } from "../../servers/formats.ts";
import { type Answered, meterAnswer, startMeter } from "./metered-answer.ts";

const HOST = "https://llm.example.com";
const messages = [{ role: "user", content: "Hi" }];
const USAGE = { prompt_tokens: 1000, completion_tokens: 500, total_tokens: 1500 };

interface Example {
  /** What its answers show of it. */
  readonly shown: Readonly<Record<string, string>>;
  /** What more a hit of its cache shows. */
  readonly hits?: readonly Readonly<Record<string, string>>[];
  /** Headers that look like a hit and are none. */
  readonly misses?: readonly Readonly<Record<string, string>>[];
  /** Its own host, where only that shows it. */
  readonly host?: string;
}

/** One for each gateway of the registry. */
const EXAMPLES: Readonly<Record<string, Example>> = {
  litellm: {
    shown: { "x-litellm-call-id": "1", "x-litellm-version": "1.108.7" },
    hits: [{ "x-litellm-cache-key": "a6285c" }, { "x-litellm-cache-key": "a6285c", "x-litellm-response-cost": "0.5" }],
  },
  braintrust: {
    shown: { "x-bt-used-endpoint": "OPENAI_API_KEY" },
    hits: [{ "x-bt-cached": "HIT" }],
    misses: [{ "x-bt-cached": "MISS" }],
  },
  cloudflare: {
    shown: { "cf-aig-log-id": "01J" },
    hits: [{ "cf-aig-cache-status": "HIT" }],
    misses: [{ "cf-aig-cache-status": "MISS" }],
  },
  portkey: {
    shown: { "x-portkey-trace-id": "1" },
    hits: [{ "x-portkey-cache-status": "HIT" }, { "x-portkey-cache-status": "SEMANTIC HIT" }],
    misses: ["MISS", "SEMANTIC MISS", "DISABLED", "REFRESH"].map((status) => ({ "x-portkey-cache-status": status })),
  },
  helicone: {
    shown: { "helicone-id": "1" },
    hits: [{ "helicone-cache": "HIT" }],
    misses: [{ "helicone-cache": "MISS" }],
  },
  kong: {
    shown: { "x-kong-llm-model": "openai/gpt-5" },
    hits: [{ "x-cache-status": "Hit" }],
    misses: [{ "x-cache-status": "Miss" }],
  },
  openrouter: {
    shown: { "x-generation-id": "gen-1" },
    hits: [{ "x-openrouter-cache-status": "HIT" }],
    misses: [{ "x-openrouter-cache-status": "MISS" }],
    host: "https://openrouter.ai",
  },
  truefoundry: { shown: { "x-tfy-resolved-model": "our-openai/gpt-5" } },
  vercel: { shown: {}, host: "https://ai-gateway.vercel.sh" },
};

const whole = (host: string, headers: Readonly<Record<string, string>>, usage: object = {}): Answered => ({
  url: `${host}/v1/chat/completions`,
  request: { model: "gpt-5", messages },
  headers,
  body: {
    id: "c1",
    model: "gpt-5",
    choices: [{ message: { content: "Hello" }, finish_reason: "stop" }],
    usage: { ...USAGE, ...usage },
  },
});

/** A stream of the shape that LiteLLM sends: with the usage only where it was asked for. */
const streamed = (host: string, headers: Readonly<Record<string, string>>, usage?: object): Answered => ({
  url: `${host}/v1/chat/completions`,
  request: { model: "gpt-5", messages, stream: true },
  headers,
  body: [
    data({ id: "c1", model: "gpt-5", choices: [{ index: 0, delta: { role: "assistant", content: "Hello" } }] }),
    data({ id: "c1", model: "gpt-5", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }),
    usage === undefined ? "" : data({ id: "c1", model: "gpt-5", choices: [{ index: 0, delta: {} }], usage }),
    DONE,
  ],
});

const gateways: readonly Gateway[] = Object.values(registry);

test("every gateway has an example, and no example is of another", () => {
  expect(Object.keys(EXAMPLES).sort()).toEqual(gateways.map(({ name }) => name).sort());
});

describe.each(gateways.map((gateway) => [gateway.name, gateway] as const))("%s", (name, gateway) => {
  const example = EXAMPLES[name] as Example;
  const { shown, hits = [], misses = [] } = example;
  const host = example.host ?? HOST;

  test("is known by its answers", () => {
    const memory = createGatewayMemory();
    const row = createHostLookup()(new URL(host).host);
    const at = memory("x", row);
    readHead(at, new Headers(shown), false, newReading(row));
    expect(at.gateway).toBe(gateway);
  });

  test.each(hits)("an answer out of its cache costs nothing, whatever figure it repeats: %j", async (hit) => {
    for (const answered of [
      whole(host, { ...shown, ...hit }, { cost: 0.5 }),
      whole(host, { ...shown, ...hit }),
      streamed(host, { ...shown, ...hit }, { ...USAGE, cost: 0.5 }),
      streamed(host, { ...shown, ...hit }),
    ]) {
      const { call } = await meterAnswer(answered);
      expect(call).toMatchObject({ ending: "completed", costUsd: 0, costSource: "provider", priced: "true" });
    }
  });

  test("zeros out of its cache are no reason for an estimate", async () => {
    const [hit] = hits;
    if (hit === undefined) return;
    const zeros = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0, cost: 0 };
    const { call } = await meterAnswer(whole(host, { ...shown, ...hit }, zeros));
    expect(call).toMatchObject({ costUsd: 0, quality: "reported", usage: { input: 0, output: 0 } });
  });

  test.each(misses)("no hit: %j", async (miss) => {
    const { call } = await meterAnswer(whole(host, { ...shown, ...miss }, { cost: 0.5 }));
    expect(call).toMatchObject({ costUsd: 0.5, costSource: "provider" });
  });

  test("is asked for a stream's usage from the next call on, if it takes the question", async () => {
    const meter = await startMeter();
    await meter.meter(whole(host, shown));
    const { sent, text, call } = await meter.meter(streamed(host, shown, { ...USAGE, cost: 0.5 }));
    expect(sent.includes('"include_usage":true')).toBe(gateway.takesQuestion);
    if (gateway.takesQuestion) {
      expect(text).toBe((streamed(host, shown).body as readonly string[]).join(""));
      expect(call).toMatchObject({ quality: "reported", costUsd: 0.5 });
    }
    await meter.runtime.stop();
  });
});

describe("a gateway that says who answered", () => {
  const shown = EXAMPLES.litellm?.shown ?? {};

  test.each([
    ["anthropic/claude-haiku-4-5", "anthropic", "claude-haiku-4-5", 0.0035],
    [
      "bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0",
      "aws.bedrock",
      "us.anthropic.claude-haiku-4-5-20251001-v1:0",
      0.00385,
    ],
    ["gemini/gemini-2.5-flash", "gcp.gemini", "gemini-2.5-flash", 0.00155],
    ["hosted_vllm/gpt-5", "hosted_vllm", "gpt-5", undefined],
    ["openai/house-llm-7b", "openai", "house-llm-7b", undefined],
  ])("%s is priced and recorded, not the alias", async (said, provider, model, costUsd) => {
    const { call } = await meterAnswer(whole(HOST, { ...shown, "x-litellm-model-name": said }));
    expect(call).toMatchObject({ provider, model, requestModel: "gpt-5" });
    if (costUsd === undefined) expect(call.costUsd).toBeUndefined();
    // The operator may have a price of its own.
    else expect(call).toMatchObject({ priced: "inexact", costUsd: expect.closeTo(costUsd, 10) });
  });

  test("what it says it cost is exact", async () => {
    const headers = { ...shown, "x-litellm-model-name": "openai/in-house", "x-litellm-response-cost": "0.002" };
    const { call } = await meterAnswer(whole(HOST, headers));
    expect(call).toMatchObject({ model: "in-house", costUsd: 0.002, costSource: "provider", priced: "true" });
  });

  test("a cost in the head of a stream is none: it was sent before the answer", async () => {
    const headers = { ...shown, "x-litellm-model-name": "openai/gpt-5", "x-litellm-response-cost": "0.9" };
    const { call } = await meterAnswer(streamed(HOST, headers, USAGE));
    expect(call).toMatchObject({ costSource: "local" });
  });
});

test.each([
  ["our-anthropic/claude-haiku-4-5", "openai", "claude-haiku-4-5", 0.0035],
  ["anthropic/claude-haiku-4-5", "anthropic", "claude-haiku-4-5", 0.0035],
])("an account's own name is no vendor: %s", async (said, provider, model, costUsd) => {
  const { call } = await meterAnswer(whole(HOST, { "x-tfy-resolved-model": said }));
  expect(call).toMatchObject({ provider, model, costUsd: expect.closeTo(costUsd, 10) });
});

describe("Bifrost, which shows in its body", () => {
  const hit = { extra_fields: { provider: "openai", cache_debug: { cache_hit: true, hit_type: "direct" } } };
  const miss = { extra_fields: { provider: "openai", cache_debug: { cache_hit: false } } };
  const cost = { input_tokens_cost: 0.1, output_tokens_cost: 0.4, total_cost: 0.5 };

  test.each([
    [hit, 0],
    [miss, 0.5],
  ])("%j", async (fields, costUsd) => {
    const chat = whole(HOST, {}, { cost });
    const usage = { input_tokens: 1000, output_tokens: 500, cost };
    const completed = { object: "response", status: "completed", model: "gpt-5", output: [], usage };
    for (const answered of [
      { ...chat, body: { ...(chat.body as object), ...fields } },
      {
        ...streamed(HOST, {}),
        body: [
          data({ choices: [{ delta: { content: "Hi" } }] }),
          data({ choices: [], usage: { ...USAGE, cost }, ...fields }),
          DONE,
        ],
      },
      {
        url: `${HOST}/v1/responses`,
        request: { model: "gpt-5", input: "Hi", stream: true },
        body: [data({ type: "response.completed", response: completed, ...fields })],
      },
    ]) {
      expect((await meterAnswer(answered)).call).toMatchObject({ costUsd, costSource: "provider" });
    }
  });
});

test("budgets do not pay for what comes out of a cache", async () => {
  const budgets = [{ scope: { agent: "*" }, per: "hour" as const, usd: 0.1 }];
  const meter = await startMeter({ budgets });
  const hit = { ...EXAMPLES.litellm?.shown, ...EXAMPLES.litellm?.hits?.[0] };
  const one = whole(HOST, hit, { cost: 0.09 });
  const answered = { ...one, request: { ...one.request, max_tokens: 10 } };
  for (let i = 0; i < 5; i++) expect((await meter.meter(answered)).call.ending).toBe("completed");
  for (let i = 0; i < 2; i++) await meter.meter({ ...answered, headers: {} });
  expect((await meter.meter(answered)).call.ending).toBe("blocked");
  await meter.runtime.stop();
});

test.each([
  ["a key's budget", 422, "budget_exceeded", "Budget has been exceeded! Current cost: 2, Max budget: 1"],
  ["a provider's budget", 429, "internal_server_error", "crossed budget: Exceeded budget for provider openai: 2 >= 1"],
])("%s at LiteLLM is final, costs nothing and opens the key's circuit", async (_name, status, type, message) => {
  const budgets = [{ scope: { agent: "*" }, per: "hour" as const, usd: 100 }];
  const meter = await startMeter({ budgets });
  const body = { error: { message, type, param: null, code: String(status) } };
  const refused = await meter.meter({ ...whole(HOST, {}), status, body });
  expect(refused.call).toMatchObject({ ending: "failed", status, priced: "none" });
  expect(refused.text).toBe(JSON.stringify(body));
  expect((await meter.meter(whole(HOST, {}))).call.ending).toBe("blocked");
  await meter.runtime.stop();
});

describe("who answered cannot be told by an older LiteLLM", () => {
  test("at a host that is said to be like a vendor, Claude has its price all the same", async () => {
    const hosts = [{ host: "llm.example.com", like: "api.openai.com" }];
    const meter = await startMeter({ hosts });
    const answered = whole(HOST, { "x-litellm-call-id": "1", "x-litellm-version": "1.80.0" });
    const body = { ...(answered.body as object), model: "claude-haiku-4-5" };
    const { call } = await meter.meter({ ...answered, body });
    expect(call).toMatchObject({ model: "claude-haiku-4-5", costUsd: expect.closeTo(0.0035, 10) });
    await meter.runtime.stop();
  });
});

describe("headers are read only where a gateway may be", () => {
  const names = gateways.flatMap(({ signs }) => signs);

  function reads(host: string, answers: number, config: Parameters<typeof createHostLookup>[0] = []): number {
    const memory = createGatewayMemory();
    let count = 0;
    const headers = {
      get(name: string) {
        expect(names).toContain(name);
        count += 1;
        return null;
      },
    };
    const row = createHostLookup(config)(host);
    for (let i = 0; i < answers; i++) readHead(memory(host, row), headers, false, newReading(row));
    return count;
  }

  test("none at a vendor's own host", () => {
    expect(reads("api.openai.com", 100)).toBe(0);
    expect(reads("api.anthropic.com", 100)).toBe(0);
  });

  test("at others, in the first answers only, also at one that is like a vendor", () => {
    expect(reads("llm.example.com", 16)).toBe(16 * names.length);
    expect(reads("llm.example.com", 1_000)).toBe(16 * names.length);
    const like = [{ host: "llm.example.com", provider: "openai", asksUsage: true }];
    expect(reads("llm.example.com", 1_000, like)).toBe(16 * names.length);
  });

  test("what is known of hosts is bounded", () => {
    const memory = createGatewayMemory();
    const first = memory("h0", undefined);
    expect(memory("h0", undefined)).toBe(first);
    for (let i = 1; i <= 500; i++) memory(`h${i}`, undefined);
    expect(memory("h0", undefined)).not.toBe(first);
  });
});

test("an error shows a gateway too", async () => {
  const meter = await startMeter();
  const shown = EXAMPLES.litellm?.shown ?? {};
  await meter.meter({ ...whole(HOST, shown), status: 500, body: { error: { message: "down" } } });
  expect((await meter.meter(streamed(HOST, shown, USAGE))).sent).toContain('"include_usage":true');
  await meter.runtime.stop();
});

test("the span and the metrics have who answered", async () => {
  const { ended } = startUserTracing();
  const metrics = collectMetrics();
  try {
    const meter = await startMeter();
    const headers = { ...EXAMPLES.litellm?.shown, "x-litellm-model-name": "anthropic/claude-haiku-4-5" };
    await meter.meter(whole(HOST, headers));
    const who = { provider: "anthropic", model: "claude-haiku-4-5" };
    expect(ended.map(({ attributes }) => attributes)).toEqual([
      expect.objectContaining({ [ATTR.provider]: who.provider, [ATTR.responseModel]: who.model }),
    ]);
    const costs = (await metrics.read()).filter(({ metric }) => metric === METRICS.cost.name);
    expect(costs).toEqual([expect.objectContaining({ attributes: expect.objectContaining(who) })]);
    await meter.runtime.stop();
  } finally {
    stopUserTelemetry();
  }
});

describe("the user decides about the question", () => {
  test.each([
    ["askUsage is off", { askUsage: false }],
    ["the host's row has it off", { hosts: [{ host: "llm.example.com", like: "api.openai.com", asksUsage: false }] }],
  ])("not asked where %s", async (_why, config) => {
    const meter = await startMeter(config);
    const shown = EXAMPLES.litellm?.shown ?? {};
    await meter.meter(whole(HOST, shown));
    expect((await meter.meter(streamed(HOST, shown))).sent).not.toContain("include_usage");
    await meter.runtime.stop();
  });
});
