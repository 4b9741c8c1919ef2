import { describe, expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { METRICS } from "../../src/core/names.ts";
import type { Answer, Script } from "../servers/model-server.ts";
import { type Metered, meter } from "./metered.ts";
import { serve } from "./server.ts";
import { collectMetrics, startUserTracing } from "./tracing.ts";
import {
  ANTHROPIC_MODEL,
  CHAT_USAGE,
  COST,
  chatBody,
  chatChunk,
  chatFrames,
  DONE,
  GEMINI_MODEL,
  geminiBody,
  geminiChunk,
  geminiFrames,
  OPENAI_MODEL,
  responseObject,
  streamed,
  whole,
} from "./vendors.ts";

const messages = [{ role: "user" as const, content: "What is a harbour?" }];
const ROUTER = "https://openrouter.ai/api/v1/chat/completions";
const chat = { model: OPENAI_MODEL, messages };
const asks = { ...chat, stream: true, stream_options: { include_usage: true } };

const server = await serve();

/** Makes one call with plain fetch. */
async function send(
  url: string,
  request: object,
  answer: Answer | Script,
  metered: Metered = meter(server),
): Promise<Metered> {
  server.play(answer);
  await (await metered.fetch(url, { method: "POST", body: JSON.stringify(request) })).text();
  return metered;
}

const call = async (url: string, request: object, answer: Answer | Script): Promise<SettledCall> =>
  (await send(url, request, answer)).one();

/** OpenRouter's own name of the model. */
const ROUTED = "openai/gpt-5";
const routed = <T extends object>(request: T): T => ({ ...request, model: ROUTED });

const streamOf =
  (usage: object): Answer =>
  (visit) =>
    streamed(...chatFrames(visit, usage).map((frame) => frame.replace(`${OPENAI_MODEL}-2025-08-07`, ROUTED)));

describe("litellm PR 37924, PR 40950: usage.cost = 0 believed; budget never trips; bill about 830 EUR", () => {
  const free = { ...CHAT_USAGE, cost: 0, cost_details: { upstream_inference_cost: null } };

  test.each([
    ["whole", routed(chat), whole(chatBody(free, ROUTED))],
    ["streamed", routed(asks), streamOf(free)],
    ["with a key of one's own", routed(chat), whole(chatBody({ ...free, is_byok: true }, ROUTED))],
  ] as const)("a vendor's 0 is no proof of free: %s", async (_, request, answer) => {
    const settled = await call(ROUTER, request, answer);
    expect(settled).toMatchObject({ provider: "openrouter", quality: "reported", costSource: "local", priced: "true" });
    expect(settled.costUsd).toBeCloseTo(COST.openai, 12);
  });

  test("what the price book calls free is free", async () => {
    const model = "openai/gpt-oss-20b:free";
    const settled = await call(ROUTER, { model, messages }, whole(chatBody(free, model)));
    expect(settled).toMatchObject({ priced: "true", costUsd: 0 });
  });
});

describe("loomkin#156, tokei PR 43: explicit 0 wins over the price table", () => {
  test.each(["0", "0.0", "-1", "", "none", "NaN"])("a gateway's cost header of %j is no price", async (value) => {
    const answer = whole(chatBody(), { "x-litellm-response-cost": value });
    const settled = await call("https://llm.example.com/v1/chat/completions", chat, answer);
    expect(settled).toMatchObject({ costSource: "local" });
    expect(settled.costUsd).toBeCloseTo(COST.openai, 12);
  });

  test("above zero it is the price", async () => {
    const answer = whole(chatBody(), { "x-litellm-response-cost": "0.0123" });
    const settled = await call("https://llm.example.com/v1/chat/completions", chat, answer);
    expect(settled).toMatchObject({ costSource: "provider", costUsd: 0.0123, priced: "true" });
  });
});

describe("litellm#16021, preloop PR 222, egg#3691: OpenRouter usage.cost lost on streams", () => {
  const own = { ...CHAT_USAGE, cost: 0.00321, is_byok: false, cost_details: { upstream_inference_cost: 0.003 } };
  const byok = { ...CHAT_USAGE, cost: 0.0001, is_byok: true, cost_details: { upstream_inference_cost: 0.003 } };

  test.each([
    ["whole", routed(chat), whole(chatBody(own, ROUTED)), 0.00321],
    ["streamed", routed(asks), streamOf(own), 0.00321],
    ["streamed, we asked", routed({ ...chat, stream: true }), streamOf(own), 0.00321],
    ["streamed, with a key of one's own", routed(asks), streamOf(byok), 0.0031],
  ] as const)("the vendor's cost is passed through: %s", async (_, request, answer, costUsd) => {
    const metered = await send(ROUTER, request, answer);
    const settled = await metered.one();
    expect(settled).toMatchObject({ quality: "reported", costSource: "provider", priced: "true" });
    expect(settled.costUsd).toBeCloseTo(costUsd, 12);
    expect(metered.sums()?.cost).toBe(Math.round(costUsd * 1e9));
  });
});

describe("deputy#29, curie-eng/curie#547; dd-trace-py#13836: null summed as 0; Gemini unpriced", () => {
  test("Gemini has a price, whole and streamed", async () => {
    const url = `https://generativelanguage.googleapis.com/v1beta/models/${GEMINI_MODEL}`;
    const usd = (200 * 0.3 + 800 * 0.03 + 50 * 2.5) / 1e6;
    for (const settled of [
      await call(`${url}:generateContent`, { contents: [] }, whole(geminiBody())),
      await call(`${url}:streamGenerateContent?alt=sse`, { contents: [] }, streamed(...geminiFrames())),
    ]) {
      expect(settled).toMatchObject({ provider: "gcp.gemini", priced: "true" });
      expect(settled.costUsd).toBeCloseTo(usd, 12);
    }
  });

  test("what is unknown is seen as unknown in the call, the ledger, the metrics and the spans", async () => {
    const metrics = collectMetrics();
    const { ended } = startUserTracing();
    const metered = meter(server);
    const url = "https://api.openai.com/v1/chat/completions";
    await metered.runtime.scoping.scope({ agent: "researcher" }, async () => {
      await send(url, chat, whole(chatBody()), metered);
      await send(url, { ...chat, model: "nobody-knows-7b" }, whole(chatBody(CHAT_USAGE, "nobody-knows-7b")), metered);
      await send(url, chat, whole('{"another":"answer"}'), metered);
    });
    const [known, unpriced, unknown] = await metered.settled(3);
    expect([known?.priced, unpriced?.priced, unknown?.priced]).toEqual(["true", "false", "none"]);
    expect([known?.quality, unpriced?.quality, unknown?.quality]).toEqual(["reported", "reported", "unknown"]);
    expect(unpriced).not.toHaveProperty("costUsd");
    for (const key of ["usage", "costUsd"]) expect(unknown).not.toHaveProperty(key);

    const cost = Math.round(COST.openai * 1e9);
    for (const account of ["all", "agent:researcher"]) {
      expect(metered.sums(account)).toMatchObject({
        calls: 3,
        cost,
        unpriced: 1,
        unknown: 1,
        input: 2000,
        output: 100,
      });
    }

    const points = await metrics.read();
    const tagged = (metric: string) => points.filter((point) => point.metric === metric);
    const calls = tagged(METRICS.calls.name).map(({ attributes, value }) => [
      attributes.priced,
      attributes.quality,
      value,
    ]);
    expect(calls).toEqual([
      ["true", "reported", 1],
      ["false", "reported", 1],
      ["none", "unknown", 1],
    ]);
    // No point of 0 USD for what is not known.
    expect(tagged(METRICS.cost.name).map(({ value }) => value)).toEqual([expect.closeTo(COST.openai, 12)]);

    const spans = ended.filter(({ name }) => name.startsWith("chat"));
    expect(spans.map(({ attributes }) => attributes["gen_ai.usage.cost.amount"])).toEqual([
      known?.costUsd,
      undefined,
      undefined,
    ]);
    expect(spans.map(({ attributes }) => attributes["spendfuse.priced"])).toEqual(["true", "false", "none"]);
    expect(spans[2]?.attributes["gen_ai.usage.input_tokens"]).toBeUndefined();
    const agent = ended.find(({ name }) => name === "invoke_agent researcher");
    expect(agent?.attributes).toMatchObject({
      "spendfuse.calls": 3,
      "spendfuse.unpriced_calls": 1,
      "spendfuse.quality": "unknown",
    });
  });

  test("a refused call has no usage and raises no alarm", async () => {
    const metered = await send(ROUTER, chat, { ...whole('{"error":{"message":"no"}}'), status: 429 });
    expect(await metered.one()).toMatchObject({ ending: "failed", quality: "unknown", priced: "none", status: 429 });
    expect(metered.sums()).toMatchObject({ calls: 1, unknown: 0, unpriced: 0, cost: 0 });
  });

  const zeros = [null, 0] as const;
  const gemini = `https://generativelanguage.googleapis.com/v1beta/models/${GEMINI_MODEL}`;
  const VENDORS: Record<string, (count: null | 0) => Promise<SettledCall>> = {
    chat: (count) =>
      call(
        "https://api.openai.com/v1/chat/completions",
        chat,
        whole(chatBody({ prompt_tokens: count, completion_tokens: count })),
      ),
    "chat, stream": (count) => {
      const report = chatChunk([], { usage: { prompt_tokens: count, completion_tokens: count } });
      return call("https://llm.example.com/v1/chat/completions", asks, (visit) =>
        streamed(...chatFrames(visit).slice(0, -2), report, DONE),
      );
    },
    responses: (count) =>
      call(
        "https://api.openai.com/v1/responses",
        { model: OPENAI_MODEL, input: "What is a harbour?" },
        whole(JSON.stringify(responseObject("completed", { input_tokens: count, output_tokens: count }))),
      ),
    anthropic: (count) => {
      const content = [{ type: "text", text: "Ships that leave a harbour at night carry two lamps." }];
      const usage = { input_tokens: count, output_tokens: count };
      const body = { type: "message", model: ANTHROPIC_MODEL, content, stop_reason: "end_turn", usage };
      const request = { model: ANTHROPIC_MODEL, max_tokens: 9, messages };
      return call("https://api.anthropic.com/v1/messages", request, whole(JSON.stringify(body)));
    },
    gemini: (count) => {
      const chunk = geminiChunk(
        "Ships that leave a harbour.",
        { promptTokenCount: count, candidatesTokenCount: count },
        "STOP",
      );
      return call(
        `${gemini}:generateContent`,
        { contents: [{ parts: [{ text: "Hi there" }] }] },
        whole(JSON.stringify(chunk)),
      );
    },
  };

  describe.each(zeros)("counts of %s beside an answer are no counts", (count) => {
    test.each(Object.keys(VENDORS))("%s", async (vendor) => {
      const settled = await (VENDORS[vendor] as (typeof VENDORS)[string])(count);
      expect(settled).toMatchObject({ ending: "completed", quality: "estimated", priced: "true" });
      expect(settled.usage?.input).toBeGreaterThan(0);
      expect(settled.usage?.output).toBeGreaterThan(3);
      expect(settled.costUsd).toBeGreaterThan(0);
    });
  });

  test("embeddings without counts are estimated too", async () => {
    const body = {
      object: "list",
      data: [],
      model: "text-embedding-3-small",
      usage: { prompt_tokens: 0, total_tokens: 0 },
    };
    const request = { model: "text-embedding-3-small", input: "What is a harbour at night?" };
    const settled = await call("https://api.openai.com/v1/embeddings", request, whole(JSON.stringify(body)));
    expect(settled).toMatchObject({ quality: "estimated", priced: "true" });
    expect(settled.usage?.input).toBeGreaterThan(3);
    expect(settled.costUsd).toBeGreaterThan(0);
  });
});
