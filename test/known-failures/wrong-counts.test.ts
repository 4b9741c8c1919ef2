import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";
import { describe, expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { METRICS } from "../../src/core/names.ts";
import { tokensByType } from "../../src/core/usage.ts";
import type { Answer, Script } from "../servers/model-server.ts";
import { drain, expectNear, meter } from "./metered.ts";
import { serve } from "./server.ts";
import { collectMetrics } from "./tracing.ts";
import {
  ANTHROPIC_INPUT,
  ANTHROPIC_MODEL,
  anthropicBody,
  anthropicFrames,
  CHAT_USAGE,
  COST,
  chatBody,
  chatChunk,
  chatDelta,
  chatStream,
  DONE,
  GEMINI_MODEL,
  GEMINI_USAGE,
  geminiBody,
  geminiChunk,
  geminiFrames,
  HALF,
  MESSAGE_STOP,
  messageDelta,
  messageStart,
  OPENAI_MODEL,
  PIECES,
  RESPONSES_USAGE,
  responsesBody,
  responsesFrames,
  streamed,
  TRUTH,
  textBlock,
  whole,
} from "./vendors.ts";

const messages = [{ role: "user" as const, content: "What is a harbour?" }];
const OPENAI = "https://api.openai.com/v1";
const SOL = "gpt-6.2-sol";
/** An answer of the other model. */
const sol = (body: string): string => body.replaceAll(`${OPENAI_MODEL}-2025-08-07`, SOL);

const server = await serve();

/** Makes one call with plain fetch and returns what settled. */
async function call(url: string, request: object, answer: Answer | Script): Promise<SettledCall> {
  server.play(answer);
  const metered = meter(server);
  const headers = { "content-type": "application/json" };
  await (await metered.fetch(url, { method: "POST", headers, body: JSON.stringify(request) })).text();
  return metered.one();
}

function callAnthropic(usage: object): Promise<SettledCall> {
  const body = JSON.stringify({ type: "message", model: ANTHROPIC_MODEL, content: [], stop_reason: "end_turn", usage });
  const request = { model: ANTHROPIC_MODEL, max_tokens: 9, messages };
  return call("https://api.anthropic.com/v1/messages", request, whole(body));
}

const chat = (base: string, usage: object, more: object = {}): Promise<SettledCall> =>
  call(`${base}/chat/completions`, { model: OPENAI_MODEL, messages, ...more }, whole(chatBody(usage)));
const gemini = (method: string): string =>
  `https://generativelanguage.googleapis.com/v1beta/models/${GEMINI_MODEL}:${method}`;

describe("langfuse#12306, pydantic-ai#4364, langfuse#10592 (OpenRouter): cache counted twice: inclusive against exclusive", () => {
  /** The same call as each vendor writes it: 1000 tokens of input, 800 of them from the cache. */
  const WRITINGS: Record<string, () => Promise<SettledCall>> = {
    "OpenAI chat, inclusive": () => chat(OPENAI, CHAT_USAGE),
    "OpenAI Responses, inclusive": () =>
      call(`${OPENAI}/responses`, { model: OPENAI_MODEL, input: "Hi" }, whole(responsesBody())),
    "OpenRouter, inclusive": () => chat("https://openrouter.ai/api/v1", CHAT_USAGE),
    "DeepSeek, hits and misses": () =>
      chat("https://api.deepseek.com/v1", {
        ...{ prompt_tokens: 1000, completion_tokens: 50, prompt_cache_hit_tokens: 800, prompt_cache_miss_tokens: 200 },
        completion_tokens_details: { reasoning_tokens: 20 },
      }),
    "Mistral, its own name": () =>
      chat("https://api.mistral.ai/v1", { prompt_tokens: 1000, completion_tokens: 50, num_cached_tokens: 800 }),
    "xAI, exclusive": () =>
      chat("https://api.x.ai/v1", {
        ...{ prompt_tokens: 200, completion_tokens: 30, total_tokens: 250 },
        prompt_tokens_details: { cached_tokens: 800 },
        completion_tokens_details: { reasoning_tokens: 20 },
      }),
    "Anthropic, exclusive": () =>
      callAnthropic({
        input_tokens: 200,
        cache_read_input_tokens: 800,
        cache_creation_input_tokens: 0,
        output_tokens: 50,
      }),
    "Gemini, inclusive": () => call(gemini("generateContent"), { contents: [] }, whole(geminiBody())),
  };

  test.each(Object.keys(WRITINGS))("%s", async (vendor) => {
    const { usage, quality } = await (WRITINGS[vendor] as () => Promise<SettledCall>)();
    expect(quality).toBe("reported");
    expect(usage).toMatchObject({ input: 1000, cacheRead: 800, cacheWrite: 0, output: 50 });
  });
});

describe("PostHog/posthog-js#2829: AI SDK 6 made input inclusive", () => {
  // We read the vendor's own words below the SDK, so there is nothing to adapt to one of its majors.
  test.each(["openai", "anthropic"])("under ai 7 the figures are the vendor's: %s", async (vendor) => {
    const metered = meter(server);
    const settings = { apiKey: "sk-known", fetch: metered.fetch };
    const model =
      vendor === "openai" ? createOpenAI(settings).chat(OPENAI_MODEL) : createAnthropic(settings)(ANTHROPIC_MODEL);
    server.play(whole(vendor === "openai" ? chatBody() : anthropicBody()));
    const { usage } = await generateText({ model, prompt: "Hi" });
    server.play(vendor === "openai" ? chatStream : streamed(...anthropicFrames()));
    await drain(streamText({ model, prompt: "Hi" }).textStream);
    const calls = await metered.settled(2);
    const truth = TRUTH[vendor as "openai" | "anthropic"];
    for (const each of calls) expect(each).toMatchObject({ quality: "reported", usage: truth });
    expect(usage).toMatchObject({ inputTokens: truth.input, outputTokens: truth.output });
  });
});

describe("dd-trace-py#13869, PR 16818; langfuse#13811, #9482; litellm#11789, #11364, #7790: cache fields dropped, priced as fresh input", () => {
  const write = { ...CHAT_USAGE, prompt_tokens_details: { cached_tokens: 800, cache_write_tokens: 150 } };
  const responsesWrite = { ...RESPONSES_USAGE, input_tokens_details: { cached_tokens: 800, cache_write_tokens: 150 } };
  const asks = { stream: true, stream_options: { include_usage: true } };
  // GPT-6.2 Sol has a price for cache writes: 2, 0.10, 2.50 and 10.
  const SOL_COST = (50 * 2 + 800 * 0.1 + 150 * 2.5 + 50 * 10) / 1e6;

  const MATRIX: Record<
    string,
    { readonly run: () => Promise<SettledCall>; readonly usage: object; readonly costUsd: number }
  > = {
    chat: { run: () => chat(OPENAI, CHAT_USAGE), usage: TRUTH.openai, costUsd: COST.openai },
    "chat, stream": {
      run: () => call(`${OPENAI}/chat/completions`, { model: OPENAI_MODEL, messages, ...asks }, chatStream),
      usage: TRUTH.openai,
      costUsd: COST.openai,
    },
    "chat, read and write": {
      run: () => call(`${OPENAI}/chat/completions`, { model: SOL, messages }, whole(chatBody(write, SOL))),
      usage: { ...TRUTH.openai, cacheWrite: 150 },
      costUsd: SOL_COST,
    },
    "chat, read and write, stream": {
      run: () => {
        const frames = [chatDelta({ content: "Hi" }), chatDelta({}, {}, "stop"), chatChunk([], { usage: write }), DONE];
        return call(`${OPENAI}/chat/completions`, { model: SOL, messages, ...asks }, streamed(...frames.map(sol)));
      },
      usage: { ...TRUTH.openai, cacheWrite: 150 },
      costUsd: SOL_COST,
    },
    responses: {
      run: () => call(`${OPENAI}/responses`, { model: OPENAI_MODEL, input: "Hi" }, whole(responsesBody())),
      usage: TRUTH.openai,
      costUsd: COST.openai,
    },
    "responses, stream": {
      run: () =>
        call(`${OPENAI}/responses`, { model: OPENAI_MODEL, input: "Hi", stream: true }, streamed(...responsesFrames())),
      usage: TRUTH.openai,
      costUsd: COST.openai,
    },
    "responses, read and write": {
      run: () => {
        const body = responsesBody().replace(JSON.stringify(RESPONSES_USAGE), JSON.stringify(responsesWrite));
        return call(`${OPENAI}/responses`, { model: SOL, input: "Hi" }, whole(sol(body)));
      },
      usage: { ...TRUTH.openai, cacheWrite: 150 },
      costUsd: SOL_COST,
    },
    anthropic: {
      run: () =>
        call(
          "https://api.anthropic.com/v1/messages",
          { model: ANTHROPIC_MODEL, max_tokens: 9, messages },
          whole(anthropicBody()),
        ),
      usage: TRUTH.anthropic,
      costUsd: COST.anthropic,
    },
    "anthropic, stream": {
      run: () => {
        const request = { model: ANTHROPIC_MODEL, max_tokens: 9, messages, stream: true };
        return call("https://api.anthropic.com/v1/messages", request, streamed(...anthropicFrames()));
      },
      usage: TRUTH.anthropic,
      costUsd: COST.anthropic,
    },
    gemini: {
      run: () => call(gemini("generateContent"), { contents: [] }, whole(geminiBody())),
      usage: TRUTH.openai,
      costUsd: (200 * 0.3 + 800 * 0.03 + 50 * 2.5) / 1e6,
    },
    "gemini, stream": {
      run: () => call(gemini("streamGenerateContent?alt=sse"), { contents: [] }, streamed(...geminiFrames())),
      usage: TRUTH.openai,
      costUsd: (200 * 0.3 + 800 * 0.03 + 50 * 2.5) / 1e6,
    },
  };

  test.each(Object.keys(MATRIX))("%s", async (name) => {
    const { run, usage, costUsd } = MATRIX[name] as (typeof MATRIX)[string];
    const settled = await run();
    expect(settled).toMatchObject({ quality: "reported", priced: "true", usage });
    expect(settled.costUsd).toBeCloseTo(costUsd, 12);
  });
});

describe("litellm#40006 (PR 40016), #6575; browser-use#5305, aider#5516: cache reads or writes charged twice", () => {
  /** The same numbers in every run. */
  function* numbers(): Generator<number> {
    for (let state = 1; ; state = (state * 48_271) % 2_147_483_647) yield state;
  }

  test("whatever the vendor says, the parts add up to the whole, in the call and in the metrics", async () => {
    const metrics = collectMetrics();
    const metered = meter(server);
    const random = numbers();
    const upTo = (limit: number) => random.next().value % (limit + 1);
    let answer = "";
    server.play(() => whole(answer));
    const post = async (url: string, request: object, body: object) => {
      answer = JSON.stringify(body);
      await (await metered.fetch(url, { method: "POST", body: JSON.stringify(request) })).text();
    };
    for (let round = 0; round < 60; round++) {
      const [input, output] = [upTo(50_000), 1 + upTo(9_000)];
      const [read, write, reasoning] = [upTo(30_000), upTo(30_000), upTo(12_000)];
      await post(
        `${OPENAI}/chat/completions`,
        { model: OPENAI_MODEL, messages },
        JSON.parse(
          chatBody({
            ...{ prompt_tokens: input, completion_tokens: output },
            prompt_tokens_details: { cached_tokens: read, cache_write_tokens: write },
            completion_tokens_details: { reasoning_tokens: reasoning },
          }),
        ),
      );
      const usage = {
        input_tokens: input,
        output_tokens: output,
        cache_read_input_tokens: read,
        cache_creation_input_tokens: write,
      };
      await post(
        "https://api.anthropic.com/v1/messages",
        { model: ANTHROPIC_MODEL, max_tokens: 9, messages },
        { type: "message", model: ANTHROPIC_MODEL, content: [], stop_reason: "end_turn", usage },
      );
      const { calls } = metered;
      const { length } = await metered.settled(2 * (round + 1));
      const anthropic = calls[length - 1] as SettledCall;
      expect(anthropic.usage).toMatchObject({
        input: input + read + write,
        cacheRead: read,
        cacheWrite: write,
        output,
      });
      // 3, 0.30, 3.75 and 15: each kind once.
      const usd = (input * 3 + read * 0.3 + write * 3.75 + output * 15) / 1e6;
      expect(anthropic.costUsd).toBeCloseTo(usd, 8);
    }
    const sums = { input: 0, output: 0 };
    for (const { usage, costUsd } of metered.calls) {
      if (!usage) throw new Error("no usage");
      const kinds = tokensByType(usage);
      expect(kinds.every((kind) => kind >= 0)).toBe(true);
      expect(kinds.reduce((sum, kind) => sum + kind)).toBe(usage.input + usage.output);
      expect(costUsd).toBeGreaterThanOrEqual(0);
      sums.input += usage.input;
      sums.output += usage.output;
    }
    expect(metered.sums()).toMatchObject({ calls: 120, ...sums });
    const points = await metrics.read();
    const shown = points.filter(({ metric }) => metric === METRICS.tokens.name);
    expect(shown.reduce((sum, { value }) => sum + value, 0)).toBe(sums.input + sums.output);
  });
});

describe("browser-use#4065, opencode#17566, tokscale#1142: reasoning twice: subset at OpenAI, separate at Gemini", () => {
  const reasoning = { completion_tokens_details: { reasoning_tokens: 20 } };

  /** 50 tokens of output in all, 20 of them reasoning. */
  const VENDORS: Record<string, () => Promise<SettledCall>> = {
    "OpenAI chat: in it": () => chat(OPENAI, CHAT_USAGE),
    "OpenAI Responses: in it": () =>
      call(`${OPENAI}/responses`, { model: OPENAI_MODEL, input: "Hi" }, whole(responsesBody())),
    "DeepSeek: in it": () =>
      chat("https://api.deepseek.com/v1", { prompt_tokens: 9, completion_tokens: 50, ...reasoning }),
    "Groq: in it": () =>
      chat("https://api.groq.com/openai/v1", {
        prompt_tokens: 9,
        completion_tokens: 50,
        total_tokens: 59,
        ...reasoning,
      }),
    "xAI: beside it, and its total says so": () =>
      chat("https://api.x.ai/v1", { prompt_tokens: 9, completion_tokens: 30, total_tokens: 59, ...reasoning }),
    "xAI: beside it, without a total": () =>
      chat("https://api.x.ai/v1", { prompt_tokens: 9, completion_tokens: 30, ...reasoning }),
    "Anthropic: in it": () =>
      callAnthropic({ input_tokens: 9, output_tokens: 50, output_tokens_details: { thinking_tokens: 20 } }),
    "Gemini: beside it": () => call(gemini("generateContent"), { contents: [] }, whole(geminiBody())),
    "Gemini, stream: beside it": () =>
      call(gemini("streamGenerateContent?alt=sse"), { contents: [] }, streamed(...geminiFrames())),
  };

  test.each(Object.keys(VENDORS))("%s", async (vendor) => {
    const settled = await (VENDORS[vendor] as () => Promise<SettledCall>)();
    expect(settled.usage).toMatchObject({ output: 50, reasoning: 20 });
  });

  test("Gemini's tool prompt is input of its own", async () => {
    const usage = { ...GEMINI_USAGE, toolUsePromptTokenCount: 70, totalTokenCount: 1120 };
    const settled = await call(
      gemini("generateContent"),
      { contents: [] },
      whole(JSON.stringify(geminiChunk("Hi", usage, "STOP"))),
    );
    expect(settled.usage).toMatchObject({ input: 1070, output: 50, cacheRead: 800 });
  });
});

describe("llama_index PR 22311, rust-genai PR 258: cache counts only in message_start, or only in message_delta", () => {
  const { input_tokens, ...caches } = ANTHROPIC_INPUT;
  const request = { model: ANTHROPIC_MODEL, max_tokens: 9, messages, stream: true };

  test.each([
    ["only at the start", { input_tokens, ...caches, output_tokens: 1 }, { output_tokens: 50 }],
    ["only at the end", { input_tokens, output_tokens: 1 }, { ...caches, output_tokens: 50 }],
    ["at both", { input_tokens, ...caches, output_tokens: 1 }, { ...caches, output_tokens: 50 }],
    ["null at the end", { input_tokens, ...caches, output_tokens: 1 }, { ...nulls(caches), output_tokens: 50 }],
    ["null at the start", { input_tokens, ...nulls(caches), output_tokens: 1 }, { ...caches, output_tokens: 50 }],
    [
      "more at the end",
      { ...nulls(caches), input_tokens: 3, output_tokens: 1 },
      { input_tokens, ...caches, output_tokens: 50 },
    ],
  ])("%s", async (_, start, end) => {
    const frames = [messageStart(start), ...textBlock(), messageDelta(end), MESSAGE_STOP];
    const settled = await call("https://api.anthropic.com/v1/messages", request, streamed(...frames));
    expect(settled).toMatchObject({ quality: "reported", usage: TRUTH.anthropic });
    expect(settled.costUsd).toBeCloseTo(COST.anthropic, 12);
  });
});

describe("litellm PR 40002: reservation below the long-context rate", () => {
  // Reservations are the guard's; a meter has the same fault in its estimates.
  test("a long call that is broken off is charged at the long rate for all of it", async () => {
    // Over 272,000 tokens GPT-6.2 Sol costs 4 and 15 instead of 2 and 10.
    const text = "All ships carry lamps. ".repeat(65_000);
    server.play(streamed(...PIECES.slice(0, 13).map((content) => sol(chatDelta({ content }))), "cut"));
    const metered = meter(server);
    const response = await metered.fetch(`${OPENAI}/chat/completions`, {
      method: "POST",
      body: JSON.stringify({ model: SOL, messages: [{ role: "user", content: text }], stream: true }),
    });
    await expect(response.text()).rejects.toThrow();
    const settled = await metered.one();
    expect(settled).toMatchObject({ ending: "failed", quality: "estimated" });
    const { input, output } = settled.usage as NonNullable<SettledCall["usage"]>;
    expect(input).toBeGreaterThan(272_000);
    expectNear(output, HALF);
    expect(settled.costUsd).toBeCloseTo((input * 4 + output * 15) / 1e6, 9);
  });
});

describe("claude-code#63536: cost on the wrong model (suffix dropped)", () => {
  const usage = { prompt_tokens: 1000, completion_tokens: 50 };
  const served = (asked: string, model: string) =>
    call(`${OPENAI}/chat/completions`, { model: asked, messages }, whole(chatBody(usage, model)));

  test("both models are known, and the one that served is charged", async () => {
    const settled = await served("gpt-5", "gpt-5-mini-2025-08-07");
    expect(settled).toMatchObject({ requestModel: "gpt-5", model: "gpt-5-mini-2025-08-07", priced: "true" });
    expect(settled.costUsd).toBeCloseTo((1000 * 0.25 + 50 * 2) / 1e6, 12);
  });

  test("a suffix is no other model, and no model loses its suffix", async () => {
    for (const [model, input, output] of [
      ["gpt-5", 1.25, 10],
      ["gpt-5-mini", 0.25, 2],
      ["gpt-5-nano", 0.05, 0.4],
    ] as const) {
      const settled = await served(model, `${model}-2025-08-07`);
      expect(settled).toMatchObject({ requestModel: model, model: `${model}-2025-08-07`, priced: "true" });
      expect(settled.costUsd).toBeCloseTo((1000 * input + 50 * output) / 1e6, 12);
    }
    const claude = `${ANTHROPIC_MODEL}[1m]`;
    const body = anthropicBody().replaceAll(`"${ANTHROPIC_MODEL}"`, `"${claude}"`);
    const settled = await call(
      "https://api.anthropic.com/v1/messages",
      { model: claude, max_tokens: 9, messages },
      whole(body),
    );
    expect(settled).toMatchObject({ requestModel: claude, model: claude, priced: "true" });
    expect(settled.costUsd).toBeCloseTo(COST.anthropic, 12);
  });

  test("a model that served and has no price is charged as the one that was asked for, and marked", async () => {
    const settled = await served("gpt-5", "brand-new-and-unheard-of");
    expect(settled).toMatchObject({ requestModel: "gpt-5", model: "brand-new-and-unheard-of", priced: "inexact" });
    expect(settled.costUsd).toBeCloseTo((1000 * 1.25 + 50 * 10) / 1e6, 12);
  });
});

function nulls(of: object): object {
  return Object.fromEntries(Object.keys(of).map((key) => [key, null]));
}
