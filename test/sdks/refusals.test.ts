import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import Anthropic, * as anthropicErrors from "@anthropic-ai/sdk";
import { ApiError, GoogleGenAI } from "@google/genai";
import { ChatOpenAI } from "@langchain/openai";
import { APICallError, generateText, RetryError, streamText } from "ai";
import OpenAI, * as openaiErrors from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Blocked, isBlocked } from "../../src/guard/blocked.ts";
import { createRefusal, createRefusalEvent } from "../../src/guard/refusal.ts";
import * as registry from "../../src/meter/wire/formats/registry.ts";
import { FRAMINGS } from "../../src/meter/wire/framings.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";

const UNTIL = Date.UTC(2026, 10, 24, 13);
const BUDGET: Blocked = {
  reason: "budget",
  scope: "agent:researcher",
  budget: "agent:* per hour",
  spentUsd: 20.0123,
  limitUsd: 20,
  until: UNTIL,
};
const CIRCUIT: Blocked = {
  reason: "circuit",
  scope: "agent:a,team:b",
  source: "datadog",
  until: UNTIL,
  why: 'monitor "1" [alerts] on {agent:a}',
};
const CAP: Blocked = {
  reason: "vendor_cap",
  scope: "key:9f86d081",
  source: "vendor_cap",
  until: UNTIL,
  why: "openai says insufficient_quota",
};
const REASONS = { budget: BUDGET, circuit: CIRCUIT, "vendor cap": CAP };

let server: ModelServer;
/** Requests that reached a wire, or would have. */
let attempts = 0;

beforeAll(async () => {
  server = await startModelServer();
});
beforeEach(() => {
  attempts = 0;
});
afterAll(() => server.close());

const messages = [{ role: "user" as const, content: "Hi" }];
const input = "Hi";
const apiKey = "sk-test";

type Send = typeof fetch;
interface Shape {
  readonly format: string;
  /** What the SDK raises. */
  readonly raises: (error: unknown) => boolean;
  readonly call: (fetch: Send) => Promise<unknown>;
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

const openai = (fetch: Send): OpenAI => new OpenAI({ apiKey, fetch, baseURL: `${server.url}/v1` });
const anthropic = (fetch: Send): Anthropic => new Anthropic({ apiKey, fetch, baseURL: server.url });
const google = (fetch: Send): GoogleGenAI =>
  new GoogleGenAI({ apiKey, httpOptions: { fetch, baseUrl: server.url } as never });
const isOpenAI = (error: unknown): boolean => error instanceof openaiErrors.APIError && error.status === 402;
const isAnthropic = (error: unknown): boolean => error instanceof anthropicErrors.APIError && error.status === 402;
const isGoogle = (error: unknown): boolean => error instanceof ApiError && error.status === 402;
const isAi = (error: unknown): boolean => {
  const own = RetryError.isInstance(error) ? error.lastError : error;
  return APICallError.isInstance(own) && own.statusCode === 402 && !own.isRetryable;
};
const model = "gpt-5";
const claude = { model: "claude-sonnet-5", max_tokens: 100, messages } as const;
const aiOpenAI = (fetch: Send) => createOpenAI({ apiKey, fetch, baseURL: `${server.url}/v1` });
const aiAnthropic = (fetch: Send) => createAnthropic({ apiKey, fetch, baseURL: `${server.url}/v1` });
async function aiStream(languageModel: Parameters<typeof streamText>[0]["model"]): Promise<void> {
  let raised: unknown;
  const { textStream } = streamText({
    model: languageModel,
    prompt: input,
    onError({ error }) {
      raised = error;
    },
  });
  await drain(textStream);
  if (raised !== undefined) throw raised;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  "openai chat": {
    format: "openai-chat",
    raises: isOpenAI,
    call: (fetch) => openai(fetch).chat.completions.create({ model, messages }),
  },
  "openai chat, stream": {
    format: "openai-chat",
    raises: isOpenAI,
    call: async (fetch) => drain(await openai(fetch).chat.completions.create({ model, messages, stream: true })),
  },
  "openai chat.stream()": {
    format: "openai-chat",
    raises: isOpenAI,
    call: (fetch) => drain(openai(fetch).chat.completions.stream({ model, messages })),
  },
  "openai chat, withResponse": {
    format: "openai-chat",
    raises: isOpenAI,
    call: (fetch) => openai(fetch).chat.completions.create({ model, messages }).withResponse(),
  },
  "openai responses": {
    format: "openai-responses",
    raises: isOpenAI,
    call: (fetch) => openai(fetch).responses.create({ model, input }),
  },
  "openai responses, stream": {
    format: "openai-responses",
    raises: isOpenAI,
    call: async (fetch) => drain(await openai(fetch).responses.create({ model, input, stream: true })),
  },
  "openai embeddings": {
    format: "openai-embeddings",
    raises: isOpenAI,
    call: (fetch) => openai(fetch).embeddings.create({ model, input }),
  },
  "anthropic messages": {
    format: "anthropic-messages",
    raises: isAnthropic,
    call: (fetch) => anthropic(fetch).messages.create(claude),
  },
  "anthropic messages, stream": {
    format: "anthropic-messages",
    raises: isAnthropic,
    call: async (fetch) => drain(await anthropic(fetch).messages.create({ ...claude, stream: true })),
  },
  "anthropic messages.stream()": {
    format: "anthropic-messages",
    raises: isAnthropic,
    call: (fetch) => anthropic(fetch).messages.stream(claude).finalMessage(),
  },
  "google generateContent": {
    format: "google-generate",
    raises: isGoogle,
    call: (fetch) => google(fetch).models.generateContent({ model: "gemini-3-pro", contents: input }),
  },
  "google generateContentStream": {
    format: "google-generate",
    raises: isGoogle,
    call: async (fetch) =>
      drain(await google(fetch).models.generateContentStream({ model: "gemini-3-pro", contents: input })),
  },
  "ai generateText, openai chat": {
    format: "openai-chat",
    raises: isAi,
    call: (fetch) => generateText({ model: aiOpenAI(fetch).chat(model), prompt: input }),
  },
  "ai generateText, openai responses": {
    format: "openai-responses",
    raises: isAi,
    call: (fetch) => generateText({ model: aiOpenAI(fetch)(model), prompt: input }),
  },
  "ai streamText, openai": {
    format: "openai-responses",
    raises: isAi,
    call: (fetch) => aiStream(aiOpenAI(fetch)(model)),
  },
  "ai generateText, anthropic": {
    format: "anthropic-messages",
    raises: isAi,
    call: (fetch) => generateText({ model: aiAnthropic(fetch)("claude-sonnet-5"), prompt: input }),
  },
  "ai streamText, anthropic": {
    format: "anthropic-messages",
    raises: isAi,
    call: (fetch) => aiStream(aiAnthropic(fetch)("claude-sonnet-5")),
  },
  "langchain openai": {
    format: "openai-chat",
    raises: isOpenAI,
    call: (fetch) =>
      new ChatOpenAI({ model, apiKey, configuration: { fetch, baseURL: `${server.url}/v1` } }).invoke(input),
  },
  "langchain openai, stream": {
    format: "openai-chat",
    raises: isOpenAI,
    call: async (fetch) =>
      drain(
        await new ChatOpenAI({ model, apiKey, configuration: { fetch, baseURL: `${server.url}/v1` } }).stream(input),
      ),
  },
  "plain fetch": {
    format: "openai-chat",
    raises: (error) => (error as { status?: number }).status === 402,
    async call(fetch) {
      const response = await fetch(`${server.url}/v1/chat/completions`, { method: "POST", body: "{}" });
      if (!response.ok)
        throw Object.assign(new Error("refused"), { status: response.status, body: await response.text() });
    },
  },
};

const shapeOf = (format: string) => Object.values(registry).find(({ name }) => name === format)!.refusal;

const rows = Object.entries(SHAPES).flatMap(([name, shape]) =>
  Object.entries(REASONS).map(([reason, blocked]) => [name, reason, shape, blocked] as const),
);

describe("every SDK raises its own error once, and isBlocked reads it", () => {
  test.each(rows)("%s, %s", async (_name, _reason, { format, raises, call }, blocked) => {
    const send: Send = async () => {
      attempts += 1;
      const { body, ...init } = createRefusal(blocked, shapeOf(format));
      return new Response(body, init);
    };
    const error: unknown = await call(send).then(
      () => undefined,
      (raised: unknown) => raised,
    );
    expect(raises(error), String(error)).toBe(true);
    expect(isBlocked(error)).toEqual(blocked);
    expect(isBlocked(new Error("wrapped", { cause: { lastError: error } }))).toEqual(blocked);
    expect(attempts).toBe(1);
  });

  test.each(Object.entries(SHAPES))("%s, over a real wire", async (_name, { format, raises, call }) => {
    const refusal = createRefusal(BUDGET, shapeOf(format));
    server.play({ status: refusal.status, headers: { ...refusal.headers }, steps: [refusal.body] });
    const error: unknown = await call(fetch).catch((raised: unknown) => raised);
    expect(raises(error), String(error)).toBe(true);
    expect(isBlocked(error)).toEqual(BUDGET);
    expect(server.visits).toHaveLength(1);
  });
});

describe("an error in the middle of a stream", () => {
  const chat =
    'data: {"id":"1","object":"chat.completion.chunk","model":"gpt-5","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}\n\n';
  const start = `event: message_start\ndata: ${JSON.stringify({ type: "message_start", message: { id: "m", type: "message", role: "assistant", model: "claude-sonnet-5", content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 3, output_tokens: 1 } } })}\n\n`;
  const created = `event: response.created\ndata: ${JSON.stringify({ type: "response.created", response: { id: "r", object: "response", model: "gpt-5", status: "in_progress", output: [] } })}\n\n`;
  const gemini = `data: ${JSON.stringify({ candidates: [{ content: { parts: [{ text: "Hel" }], role: "model" }, index: 0 }], modelVersion: "gemini-3-pro" })}\n\n`;

  test.each([
    ["openai chat, stream", chat],
    ["openai responses, stream", created],
    ["anthropic messages, stream", start],
    ["google generateContentStream", gemini],
  ])("%s", async (name, first) => {
    const { format, call } = SHAPES[name] as Shape;
    server.play({
      headers: { "content-type": "text/event-stream" },
      steps: [first, { pause: 5 }, FRAMINGS.sse.write(createRefusalEvent(BUDGET, shapeOf(format)))],
    });
    const error: unknown = await call(fetch).then(
      () => undefined,
      (raised: unknown) => raised,
    );
    expect(error).toBeInstanceOf(Error);
    expect(isBlocked(error)).toEqual(BUDGET);
  });
});

describe("isBlocked of other things", () => {
  const looped: { cause?: unknown } = {};
  looped.cause = looped;
  const hostile = new Proxy(
    {},
    {
      get: () => {
        throw new Error("hands off");
      },
    },
  );

  test.each([
    ["nothing", undefined],
    ["a text", "[spendfuse {}]"],
    ["an error", new Error("402 Payment Required")],
    ["an SDK's own error", new openaiErrors.APIError(402, { message: "no" }, "no", new Headers())],
    ["a loop", looped],
    ["a hostile object", hostile],
    ["half of a mark", new Error('[spendfuse {"reason":"budget"')],
    ["a mark of something else", new Error('[spendfuse {"reason":"weather","scope":"agent:a"}]')],
    ["a mark without a scope", new Error('[spendfuse {"reason":"budget"}]')],
  ])("%s", (_, error) => {
    expect(isBlocked(error)).toBeUndefined();
  });
});
