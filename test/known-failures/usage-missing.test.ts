import { GoogleGenAI } from "@google/genai";
import type OpenAI from "openai";
import { describe, expect, test, vi } from "vitest";
import { METRICS } from "../../src/core/names.ts";
import { drain, expectNear, meter } from "./metered.ts";
import { serve } from "./server.ts";
import { collectMetrics, startUserTracing } from "./tracing.ts";
import {
  CHAT_USAGE,
  type ChatRequest,
  COST,
  chatBody,
  chatChunk,
  chatDelta,
  chatFrames,
  chatStream,
  DONE,
  GEMINI_MODEL,
  geminiBody,
  geminiFrames,
  OPENAI_MODEL,
  PIECES,
  responsesBody,
  responsesFrames,
  streamed,
  TRUTH,
  whole,
} from "./vendors.ts";

const messages = [{ role: "user" as const, content: "What is a harbour?" }];
const chat = { model: OPENAI_MODEL, messages, stream: true } as const;
const asks = { ...chat, stream_options: { include_usage: true } } as const;
const text = PIECES.join("");

const server = await serve();

const post = (body: unknown): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: typeof body === "string" ? body : JSON.stringify(body),
});
const sent = (): ChatRequest => JSON.parse(server.visits[0]?.body ?? "null");

test("langfuse#8625: Gemini: streaming 0 cost, invoke fine", async () => {
  const request = { model: GEMINI_MODEL, contents: "What is a harbour?" };
  const bare = meter(server);
  vi.stubGlobal("fetch", bare.fetch);
  server.play(whole(geminiBody()));
  await new GoogleGenAI({ apiKey: "k" }).models.generateContent(request);
  const invoked = await bare.one();
  vi.unstubAllGlobals();

  const metered = meter(server);
  vi.stubGlobal("fetch", metered.fetch);
  server.play(streamed(...geminiFrames()));
  await drain(await new GoogleGenAI({ apiKey: "k" }).models.generateContentStream(request));
  const call = await metered.one();

  expect([invoked.stream, call.stream]).toEqual([false, true]);
  expect(call.usage).toMatchObject({ input: 1000, cacheRead: 800, output: 50, reasoning: 20 });
  expect(call.usage).toEqual(invoked.usage);
  // 0.30 in, 0.03 cached, 2.50 out, thoughts too.
  expect(call.costUsd).toBeCloseTo((200 * 0.3 + 800 * 0.03 + 50 * 2.5) / 1e6, 12);
  expect(invoked.costUsd).toBe(call.costUsd);
});

describe("langfuse#4027, #17696 (PR 17699); traceloop/openllmetry#627, openllmetry-js#352: no stream_options: guess or nothing", () => {
  test.each([
    ["none", undefined],
    ["others", { include_obfuscation: false }],
    ["include_usage: false", { include_usage: false }],
  ])("asks where the host allows, and the answer beats the guess: the caller has %s", async (_, stream_options) => {
    server.play(chatStream);
    const metered = meter(server);
    const body = { ...chat, ...(stream_options && { stream_options }) } as OpenAI.ChatCompletionCreateParamsStreaming;
    await drain(await metered.openai.chat.completions.create(body));
    expect(sent().stream_options).toEqual({ ...stream_options, include_usage: true });
    const call = await metered.one();
    expect(call).toMatchObject({ quality: "reported", usage: TRUTH.openai });
    expect(call.costUsd).toBeCloseTo(COST.openai, 12);
  });

  test("switched off, it does not ask, and the estimate is marked", async () => {
    vi.stubEnv("SPENDFUSE_ASK_USAGE", "false");
    server.play(chatStream);
    const metered = meter(server);
    await drain(await metered.openai.chat.completions.create(chat));
    vi.unstubAllEnvs();
    expect(sent()).toEqual(chat);
    const call = await metered.one();
    expect(call).toMatchObject({ ending: "completed", quality: "estimated", priced: "true" });
    expectNear(call.usage?.output, text);
  });
});

describe("vercel/ai#3268, #5736 (xAI): usage NaN", () => {
  // 1e999 is infinite once it is parsed.
  const BROKEN: Record<string, string> = {
    null: '{"prompt_tokens":null,"completion_tokens":null,"total_tokens":null}',
    strings: '{"prompt_tokens":"12","completion_tokens":"NaN","total_tokens":"x"}',
    infinite: '{"prompt_tokens":1e999,"completion_tokens":-1e999,"total_tokens":1e999}',
    negative: '{"prompt_tokens":-5,"completion_tokens":-1,"prompt_tokens_details":{"cached_tokens":-9}}',
    "a half": '{"prompt_tokens":12}',
    "details of null":
      '{"prompt_tokens":12,"completion_tokens":7,"prompt_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":null}}',
    array: "[]",
    "cost that is none": '{"prompt_tokens":12,"completion_tokens":7,"cost":"free","cost_details":null}',
  };

  test.each(Object.keys(BROKEN))("NaN reaches nothing: %s", async (name) => {
    const metrics = collectMetrics();
    const { ended } = startUserTracing();
    const frames = [...PIECES.map((content) => chatDelta({ content })), chatDelta({}, {}, "stop")];
    const report = chatChunk([], { usage: "USAGE" }).replace('"USAGE"', BROKEN[name] as string);
    server.play(streamed(...frames, report, DONE));
    const metered = meter(server);
    const url = "https://api.x.ai/v1/chat/completions";
    await (await metered.fetch(url, post({ ...asks, model: "grok-4" }))).text();
    const call = await metered.one();
    // Nor is it zero: what is no count is estimated.
    const counts = name === "details of null" || name === "cost that is none";
    expect(call).toMatchObject({ provider: "x_ai", ending: "completed", quality: counts ? "reported" : "estimated" });
    if (counts) expect(call.usage).toMatchObject({ input: 12, output: 7 });
    else expectNear(call.usage?.output, text);
    expect(call.usage?.input).toBeGreaterThan(5);
    expect(call.costUsd).toBeGreaterThan(0);
    const numbers = [...Object.values(call.usage ?? {}), call.costUsd ?? 0, ...Object.values(metered.sums() ?? {})];
    for (const { attributes } of ended)
      numbers.push(...Object.values(attributes).filter((value) => typeof value === "number"));
    const points = await metrics.read();
    for (const { metric, value } of points) if (metric.startsWith("spendfuse.")) numbers.push(value);
    expect(points.some(({ metric }) => metric === METRICS.calls.name)).toBe(true);
    expect(numbers.length).toBeGreaterThan(20);
    expect(numbers.filter((number) => !(Number.isFinite(number) && number >= 0))).toEqual([]);
  });
});

describe("vercel/ai PR 17986 (TogetherAI): flag not forwarded; usage undefined, cost 0", () => {
  const url = "https://api.together.xyz/v1/chat/completions";
  const body = { ...chat, model: "meta-llama/Llama-3.3-70B-Instruct-Turbo" };
  const silent = () => streamed(...chatFrames({ body: "{}" } as never));

  test("no usage is no zero: it is estimated and marked", async () => {
    server.play(silent);
    const metered = meter(server);
    await (await metered.fetch(url, post(body))).text();
    const call = await metered.one();
    expect(call).toMatchObject({ provider: "together", quality: "estimated" });
    expectNear(call.usage?.output, text);
    expect(call.costUsd).not.toBe(0);
  });

  test("where nothing can be estimated it is unknown, and has no cost", async () => {
    server.play(silent);
    const metered = meter(server);
    const form = new FormData();
    form.append("messages", "of a kind that we do not read");
    await (await metered.fetch(url, { method: "POST", body: form })).text();
    const call = await metered.one();
    expect(call).toMatchObject({ ending: "completed", quality: "unknown", priced: "none" });
    expect([call.usage, call.costUsd]).toEqual([undefined, undefined]);
    expect(metered.sums()).toMatchObject({ calls: 1, unknown: 1 });
  });
});

test("traceloop/openllmetry#3395: Responses stream: returned before span start", async () => {
  const { started, ended } = startUserTracing();
  const metered = meter(server);
  const request = { model: OPENAI_MODEL, input: "What is a harbour?" };
  server.play(whole(responsesBody()));
  await metered.openai.responses.create(request);
  const [invoked] = await metered.settled(1);
  server.play(streamed(...responsesFrames()));
  const stream = await metered.openai.responses.create({ ...request, stream: true });
  // The span is there before the stream is read.
  expect([started.length, ended.length]).toEqual([2, 1]);
  await drain(stream);
  const [, call] = await metered.settled(2);
  expect([invoked?.stream, call?.stream]).toEqual([false, true]);
  const { id: _a, startedAt: _b, durationMs: _c, stream: _d, ...rest } = call as NonNullable<typeof call>;
  expect(invoked).toMatchObject(rest);
  expect(rest).toMatchObject({ ending: "completed", quality: "reported", usage: TRUTH.openai });
  for (const span of ended) {
    expect(span.attributes).toMatchObject({ "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 50 });
  }
  expect(ended).toHaveLength(2);
});

describe("claude-code-router#1234: guard on choices drops the usage chunk", () => {
  test.each(["openai", "a gateway that we do not know"])("the chunk of empty choices is read: %s", async (host) => {
    server.play(chatStream);
    const metered = meter(server);
    const url = host === "openai" ? "https://api.openai.com" : "https://llm.example.com";
    await (await metered.fetch(`${url}/v1/chat/completions`, post(asks))).text();
    expect(await metered.one()).toMatchObject({ quality: "reported", usage: TRUTH.openai });
  });

  test("a first chunk of empty choices, as Azure sends it, is no end", async () => {
    const filter = chatChunk([], {
      prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }],
      usage: null,
    });
    server.play((visit) => streamed(filter, ...chatFrames(visit)));
    const metered = meter(server);
    const url = "https://mine.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21";
    const got = await (await metered.fetch(url, post(chat))).text();
    expect(await metered.one()).toMatchObject({ ending: "completed", quality: "reported", usage: TRUTH.openai });
    // It is the vendor's own and not what we asked for: it stays.
    expect(got).toContain("prompt_filter_results");
    expect(got).not.toContain("usage");
  });
});

describe("openai-agents-js#107, cline#8384, Portkey gateway#1627, llama.cpp#15461: user code crashes on choices: []", () => {
  /** As much of the world's code reads a stream. */
  const careless = async (stream: AsyncIterable<OpenAI.ChatCompletionChunk>) => {
    let seen = "";
    for await (const chunk of stream)
      seen += (chunk.choices[0] as OpenAI.ChatCompletionChunk.Choice).delta.content ?? "";
    return seen;
  };

  test("the chunk that we asked for is not shown", async () => {
    server.play(chatStream);
    const metered = meter(server);
    expect(await careless(await metered.openai.chat.completions.create(chat))).toBe(text);
    expect(sent().stream_options?.include_usage).toBe(true);
    expect((await metered.one()).quality).toBe("reported");
  });

  test("every byte is as without us, however it is cut into packets", async () => {
    const bare = chatFrames({ body: "{}" } as never).join("");
    for (const size of [1, 7, 64, 1 << 20]) {
      server.play((visit) => {
        const bytes = Buffer.from(chatFrames(visit).join(""));
        return streamed(
          ...Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
            bytes.toString("latin1", i * size, (i + 1) * size),
          ),
        );
      });
      const metered = meter(server);
      const response = await metered.fetch("https://api.openai.com/v1/chat/completions", post(chat));
      expect(await response.text()).toBe(bare);
      expect((await metered.one()).quality).toBe("reported");
    }
  });

  test("who asks for it gets it", async () => {
    server.play(chatStream);
    const metered = meter(server);
    const chunks = await drain(await metered.openai.chat.completions.create(asks));
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: CHAT_USAGE });
    expect((await metered.one()).quality).toBe("reported");
  });
});

describe("OmniRoute#1836, opencode#4698, vercel/ai PR 1578 (Groq), litellm PR 35290 (Bytez, OCI): stream_options gives 400 or a dead stream", () => {
  test.each([
    "https://api.groq.com/openai/v1",
    "https://api.mistral.ai/v1",
    "https://api.together.xyz/v1",
    "https://api.cerebras.ai/v1",
    "https://inference.generativeai.us-chicago-1.oci.oraclecloud.com/v1",
    "https://api.bytez.com/models/v2/openai/v1",
    "http://localhost:11434/v1",
    "https://llm.example.com/v1",
  ])("not asked: %s", async (base) => {
    // As a strict server does it.
    server.play((visit) =>
      visit.body.includes("stream_options")
        ? { ...whole('{"error":{"message":"Extra inputs are not permitted"}}'), status: 400 }
        : streamed(...chatFrames(visit)),
    );
    const metered = meter(server);
    const body = JSON.stringify(chat);
    const response = await metered.fetch(`${base}/chat/completions`, post(body));
    expect(response.status).toBe(200);
    await response.text();
    expect(server.visits[0]?.body).toBe(body);
    expect(await metered.one()).toMatchObject({ ending: "completed", quality: "estimated" });
  });
});

test.each([["absent"], ["false"], ["null"], ['"true"'], ["1"]])(
  "9router PR 3081: 400: stream_options without stream: stream is %s",
  async (stream) => {
    server.play((visit) =>
      visit.body.includes("stream_options")
        ? { ...whole('{"error":{"message":"stream_options is only allowed when stream is enabled"}}'), status: 400 }
        : whole(chatBody()),
    );
    const metered = meter(server);
    const body = `{"model":"${OPENAI_MODEL}","messages":[]${stream === "absent" ? "" : `,"stream":${stream}`}}`;
    const response = await metered.fetch("https://api.openai.com/v1/chat/completions", post(body));
    expect(response.status).toBe(200);
    await response.text();
    expect(server.visits[0]?.body).toBe(body);
    expect(await metered.one()).toMatchObject({ quality: "reported", usage: TRUTH.openai });
  },
);
