import { createOpenAI } from "@ai-sdk/openai";
import { GoogleGenAI } from "@google/genai";
import { streamText } from "ai";
import { describe, expect, test, vi } from "vitest";
import type { Script } from "../servers/model-server.ts";
import { drain, expectLeft, expectNear, type Metered, meter } from "./metered.ts";
import { serve } from "./server.ts";
import { startUserTracing } from "./tracing.ts";
import {
  ANTHROPIC_INPUT,
  ANTHROPIC_MODEL,
  CHAT_USAGE,
  chatChunk,
  chatDelta,
  chatFrames,
  chatHalf,
  chatStream,
  data,
  event,
  GEMINI_MODEL,
  geminiFrames,
  HALF,
  HALF_MARKER,
  MESSAGE_STOP,
  messageDelta,
  messageStart,
  OPENAI_MODEL,
  PIECES,
  RESPONSES_USAGE,
  responseObject,
  responsesHalf,
  streamed,
  TRUTH,
  until,
} from "./vendors.ts";

const messages = [{ role: "user" as const, content: "What is the weather in Mexico City?" }];
const chat = { model: OPENAI_MODEL, messages, stream: true } as const;
const responses = { model: OPENAI_MODEL, input: "What is the weather?", stream: true } as const;
const claude = { model: ANTHROPIC_MODEL, max_tokens: 100, messages, stream: true } as const;

const server = await serve();

describe("AgentBudget/agentbudget#15: cost only after normal exhaustion", () => {
  type Chunks = AsyncIterable<{ choices: { delta: { content?: string | null } }[] }>;

  const upToHalf = async (iterator: AsyncIterator<{ choices: { delta: { content?: string | null } }[] }>) => {
    for (let text = ""; text !== HALF; ) text += (await iterator.next()).value?.choices[0]?.delta.content ?? "";
  };
  const WAYS: Record<string, (stream: Chunks) => Promise<unknown>> = {
    async break(stream) {
      let text = "";
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? "";
        if (text === HALF) break;
      }
    },
    async "return of the iterator"(stream) {
      const iterator = stream[Symbol.asyncIterator]();
      await upToHalf(iterator);
      await iterator.return?.();
    },
    async "throw of the iterator"(stream) {
      const iterator = stream[Symbol.asyncIterator]();
      await upToHalf(iterator);
      await expect(iterator.throw?.(new Error("mine"))).rejects.toThrow("mine");
    },
    async "an error in the loop"(stream) {
      const loop = async () => {
        let text = "";
        for await (const chunk of stream) {
          text += chunk.choices[0]?.delta.content ?? "";
          if (text === HALF) throw new Error("mine");
        }
      };
      await expect(loop()).rejects.toThrow("mine");
    },
  };

  test.each(Object.keys(WAYS))("%s settles, by itself", async (way) => {
    server.play(chatHalf);
    const metered = meter(server);
    await WAYS[way]?.(await metered.openai.chat.completions.create(chat));
    await expectLeft(server);
    const call = await metered.one();
    expect(call).toMatchObject({ ending: "canceled", quality: "estimated", priced: "true" });
    expectNear(call.usage?.output, HALF);
    expect(metered.sums()?.cost).toBe(Math.round((call.costUsd as number) * 1e9));
    expect(metered.sums()?.cost).toBeGreaterThan(0);
  });
});

describe("vercel/ai#7805 (open): abort: no usage, onFinish never fires", () => {
  test.each(["chat", "responses"] as const)("an abort of streamText gives a flagged estimate: %s", async (api) => {
    server.play(api === "chat" ? chatHalf : responsesHalf);
    const metered = meter(server);
    const abort = new AbortController();
    const provider = createOpenAI({ apiKey: "sk-known", fetch: metered.fetch });
    const model = api === "chat" ? provider.chat(OPENAI_MODEL) : provider.responses(OPENAI_MODEL);
    const result = streamText({ model, prompt: "Hi", abortSignal: abort.signal, onError: () => {} });
    let text = "";
    for await (const part of result.textStream) {
      text += part;
      if (text === HALF) abort.abort();
    }
    await expectLeft(server);
    const call = await metered.one();
    expect(call).toMatchObject({ ending: "canceled", quality: "estimated", priced: "true" });
    expectNear(call.usage?.output, HALF);
  });
});

describe("openai-agents-js#995 (open), openai-agents-python#1722: counted only on response_done: zero", () => {
  test("broken off before the response is done", async () => {
    server.play(responsesHalf);
    const metered = meter(server);
    const abort = new AbortController();
    let text = "";
    for await (const each of await metered.openai.responses.create(responses, { signal: abort.signal })) {
      if (each.type === "response.output_text.delta") text += each.delta;
      if (text === HALF) abort.abort();
    }
    const call = await metered.one();
    expect(call).toMatchObject({ ending: "canceled", quality: "estimated", responseId: "resp_1" });
    expectNear(call.usage?.output, HALF);
    expect(call.costUsd).toBeGreaterThan(0);
  });

  test.each([
    ["cut", "failed", "cut"],
    ["ended without a word", "failed", ""],
  ] as const)("%s before the response is done", async (_, ending, last) => {
    const half = responsesHalf.steps.slice(0, -1) as string[];
    server.play(streamed(...half, last));
    const metered = meter(server);
    await drain(await metered.openai.responses.create(responses)).catch(() => {});
    const call = await metered.one();
    expect(call).toMatchObject({ ending, quality: "estimated" });
    expectNear(call.usage?.output, HALF);
  });
});

describe("google-gemini/gemini-cli#28682: abort discards usage already received", () => {
  test("what Gemini had reported is kept", async () => {
    const at = geminiFrames().findIndex((frame) => frame.includes(`"${HALF_MARKER}"`));
    server.play(until(`"${HALF_MARKER}"`, geminiFrames()));
    const metered = meter(server);
    vi.stubGlobal("fetch", metered.fetch);
    const abort = new AbortController();
    const stream = await new GoogleGenAI({ apiKey: "k" }).models.generateContentStream({
      model: GEMINI_MODEL,
      contents: "Hi",
      config: { abortSignal: abort.signal },
    });
    let text = "";
    try {
      for await (const chunk of stream) {
        text += chunk.text;
        if (text === HALF) abort.abort();
      }
    } catch (error) {
      expect((error as Error).name).toBe("AbortError");
    }
    const call = await metered.one();
    const visible = Math.ceil((30 * (at + 1)) / PIECES.length);
    expect(call).toMatchObject({ ending: "canceled", quality: "reported" });
    expect(call.usage).toMatchObject({ input: 1000, cacheRead: 800, output: visible + 20, reasoning: 20 });
  });

  test("what Anthropic had reported is kept, and only the rest is estimated", async () => {
    server.play(
      streamed(
        messageStart({ ...ANTHROPIC_INPUT, output_tokens: 1 }),
        // A long turn reports on the way.
        messageDelta({ output_tokens: 40 }, null),
        event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: HALF } }),
        "hang",
      ),
    );
    const metered = meter(server);
    for await (const each of await metered.anthropic.messages.create(claude)) {
      if (each.type === "content_block_delta") break;
    }
    const call = await metered.one();
    expect(call).toMatchObject({ ending: "canceled", quality: "estimated" });
    expect(call.usage).toMatchObject({ input: 1010, cacheRead: 800, cacheWrite: 200 });
    expectNear((call.usage?.output ?? 0) - 40, HALF);
  });
});

const ARGUMENTS = ['{"city":', ' "Mexico', ' City"}'];
const TOOL_TEXT = `get_weather${ARGUMENTS.join("")}`;

function toolChat(more: object): string[] {
  const call = (fields: object) => ({ tool_calls: [{ index: 0, ...fields }] });
  return [
    chatDelta(call({ id: "call_1", type: "function", function: { name: "get_weather", arguments: "" } }), more),
    ...ARGUMENTS.map((piece) => chatDelta(call({ function: { arguments: piece } }), more)),
  ];
}

function toolResponses(): string[] {
  const item = { id: "fc_1", type: "function_call", call_id: "call_1", name: "get_weather", arguments: "" };
  const place = { item_id: "fc_1", output_index: 0 };
  const whole = { ...place, arguments: ARGUMENTS.join("") };
  return [
    event({ type: "response.created", response: responseObject("in_progress") }),
    event({ type: "response.output_item.added", output_index: 0, item }),
    ...ARGUMENTS.map((delta) => event({ type: "response.function_call_arguments.delta", ...place, delta })),
    event({ type: "response.function_call_arguments.done", ...whole }),
  ];
}

function toolAnthropic(): string[] {
  const block = (type: string, fields: object) => event({ type, index: 0, ...fields });
  return [
    messageStart({ ...ANTHROPIC_INPUT, output_tokens: 1 }),
    block("content_block_start", {
      content_block: { type: "tool_use", id: "toolu_1", name: "get_weather", input: {} },
    }),
    ...ARGUMENTS.map((json) =>
      block("content_block_delta", { delta: { type: "input_json_delta", partial_json: json } }),
    ),
    block("content_block_stop", {}),
  ];
}

describe("one-switch#3: agents abort once the tool call is in; all lost", () => {
  interface Agent {
    readonly frames: () => string[];
    readonly usage: string;
    /** Reads until the tool call is in, then leaves. */
    readonly run: (metered: Metered) => Promise<string>;
    readonly truth: object;
  }

  const AGENTS: Record<string, Agent> = {
    chat: {
      frames: () => toolChat({ usage: null }),
      usage: chatDelta({}, { usage: null }, "tool_calls") + chatChunk([], { usage: CHAT_USAGE }) + data("[DONE]"),
      async run({ openai }) {
        let text = "";
        for await (const chunk of await openai.chat.completions.create(chat)) {
          const call = chunk.choices[0]?.delta.tool_calls?.[0]?.function;
          text += (call?.name ?? "") + (call?.arguments ?? "");
          if (text.endsWith("}")) break;
        }
        return text;
      },
      truth: TRUTH.openai,
    },
    responses: {
      frames: toolResponses,
      usage: event({ type: "response.completed", response: responseObject("completed", RESPONSES_USAGE) }),
      async run({ openai }) {
        let text = "";
        for await (const each of await openai.responses.create(responses)) {
          if (each.type === "response.output_item.added" && each.item.type === "function_call") text += each.item.name;
          if (each.type !== "response.function_call_arguments.done") continue;
          text += each.arguments;
          break;
        }
        return text;
      },
      truth: TRUTH.openai,
    },
    anthropic: {
      frames: toolAnthropic,
      usage: messageDelta({ output_tokens: 50 }, "tool_use") + MESSAGE_STOP,
      async run({ anthropic }) {
        let text = "";
        for await (const each of await anthropic.messages.create(claude)) {
          if (each.type === "content_block_start" && each.content_block.type === "tool_use")
            text += each.content_block.name;
          if (each.type === "content_block_delta" && each.delta.type === "input_json_delta")
            text += each.delta.partial_json;
          if (each.type === "content_block_stop") break;
        }
        return text;
      },
      truth: TRUTH.anthropic,
    },
  };

  test.each(Object.keys(AGENTS))("%s: the agent breaks once the tool call is in", async (name) => {
    const agent = AGENTS[name] as Agent;
    server.play(streamed(...agent.frames(), "hang"));
    const metered = meter(server);
    expect(await agent.run(metered)).toBe(TOOL_TEXT);
    await expectLeft(server);
    const call = await metered.one();
    expect(call).toMatchObject({ ending: "canceled", quality: "estimated", priced: "true" });
    // Its text alone is at least 8 tokens; vendors wrap a call in up to 45 more.
    expect(call.usage?.output).toBeGreaterThanOrEqual(TOOL_TEXT.length / 5);
    expect(call.usage?.output).toBeLessThanOrEqual(TOOL_TEXT.length / 3 + 45);
    expect(call.usage?.input).toBeGreaterThan(0);
    expect(call.costUsd).toBeGreaterThan(0);
  });

  test.each(Object.keys(AGENTS))(
    "%s: what came in the same packet as the tool call is the vendor's own figure",
    async (name) => {
      const agent = AGENTS[name] as Agent;
      server.play(streamed(agent.frames().join("") + agent.usage, "hang"));
      const metered = meter(server);
      expect(await agent.run(metered)).toBe(TOOL_TEXT);
      expect(await metered.one()).toMatchObject({ ending: "completed", quality: "reported", usage: agent.truth });
    },
  );
});

describe("coder/xum PR 1372; mastra-ai/mastra#15302, #22972; Arize-ai/openinference#3790: abort path skipped; span never ends", () => {
  test.each(["abort", "break", "cut", "error event", "unread"])("no span and no cost leaks: %s", async (way) => {
    const { started, ended } = startUserTracing();
    const last: Record<string, Script["steps"]> = {
      cut: ["cut"],
      "error event": [data({ error: { message: "It broke", type: "server_error" } })],
    };
    server.play((visit) => streamed(...chatFrames(visit).slice(0, 14), ...(last[way] ?? ["hang"])));
    const metered = meter(server);
    const abort = new AbortController();
    const run = async () => {
      let text = "";
      const stream = await metered.openai.chat.completions.create(chat, { signal: abort.signal });
      if (way === "unread") return;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? "";
        if (text !== HALF) continue;
        if (way === "break") break;
        if (way === "abort") abort.abort();
      }
    };
    await metered.runtime.scoping.scope({ agent: "researcher" }, run).catch(() => {});
    if (way === "unread") await metered.runtime.flush();
    const call = await metered.one();
    expect(call.costUsd).toBeGreaterThan(0);
    expect(started.map(({ name }) => name)).toEqual(["invoke_agent researcher", `chat ${OPENAI_MODEL}`]);
    expect(ended.map(({ name }) => name).sort()).toEqual([`chat ${OPENAI_MODEL}`, "invoke_agent researcher"]);
    for (const span of ended) {
      expect(span.attributes).toMatchObject({
        "gen_ai.usage.cost.amount": call.costUsd,
        "spendfuse.quality": "estimated",
      });
    }
  });
});

test("DataDog/dd-trace-py PR 20473: cancelled OpenAI stream: no span", async () => {
  const { ended } = startUserTracing();
  server.play(chatHalf);
  const metered = meter(server);
  const abort = new AbortController();
  let text = "";
  for await (const chunk of await metered.openai.chat.completions.create(chat, { signal: abort.signal })) {
    text += chunk.choices[0]?.delta.content ?? "";
    if (text === HALF) abort.abort();
  }
  const { usage, costUsd } = await metered.one();
  expect(ended).toHaveLength(1);
  expect(ended[0]?.attributes).toMatchObject({
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": OPENAI_MODEL,
    "gen_ai.usage.input_tokens": usage?.input,
    "gen_ai.usage.output_tokens": usage?.output,
    "gen_ai.usage.cost.amount": costUsd,
    "spendfuse.ending": "canceled",
    "spendfuse.quality": "estimated",
  });
});

test("minga#2460: cap hit mid-stream wedges the session", async () => {
  const limit = {
    error: { message: "You exceeded your current quota", type: "insufficient_quota", code: "insufficient_quota" },
  };
  const metered = meter(server);
  for (let turn = 0; turn < 2; turn++) {
    server.play((visit) => streamed(...chatFrames(visit).slice(0, 14), data(limit)));
    await expect(drain(await metered.openai.chat.completions.create(chat))).rejects.toThrow(/quota/);
    server.play(chatStream);
    expect(await drain(await metered.openai.chat.completions.create(chat))).toHaveLength(PIECES.length + 2);
  }
  const calls = await metered.settled(4);
  expect(calls.map(({ ending, quality }) => [ending, quality])).toEqual([
    ["failed", "estimated"],
    ["completed", "reported"],
    ["failed", "estimated"],
    ["completed", "reported"],
  ]);
  await metered.runtime.flush();
  expect(metered.calls).toHaveLength(4);
});
