import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { createRuntime, type Runtime } from "../../src/process/runtime.ts";
import { needApp } from "../apps/installed.ts";
import * as wire from "../servers/formats.ts";

type Fetch = typeof fetch;
type Sdks = Record<string, never>;
/** Reads a stream with an SDK to its end, and returns what came of it. */
type Read = (sdks: Sdks, fetch: Fetch) => AsyncIterable<unknown> | Promise<AsyncIterable<unknown>>;

const ORIGIN = { id: "chatcmpl-1", model: "gpt-5-mini" };
const USAGE = { input: 110, output: 37, cached: 64, reasoning: 12 };
const messages = [{ role: "user", content: "Hello" }];

/** To those who did not ask for usage it comes without; asked for by us, it is hidden again. */
function chatStream(asked: boolean): string {
  const more = asked ? { usage: null } : {};
  return [
    wire.chatDelta(ORIGIN, { role: "assistant", content: "" }, more),
    ...["Hello", " wörld 🙂", ' "quoted"\n'].map((content) => wire.chatDelta(ORIGIN, { content }, more)),
    wire.chatDelta(ORIGIN, {}, more, "stop"),
    asked ? wire.chatChunk(ORIGIN, [], { usage: wire.chatUsage(USAGE) }) : "",
    wire.DONE,
  ].join("");
}

const ANTHROPIC_STREAM = [
  wire.messageStart(
    wire.anthropicMessage({ id: "msg_1", model: "claude-sonnet-4-6" }, [], null, { input_tokens: 9, output_tokens: 1 }),
  ),
  ...wire.contentBlock(0, { type: "text", text: "" }, [
    { type: "text_delta", text: "Hello" },
    { type: "text_delta", text: " wörld" },
  ]),
  wire.messageDelta({ output_tokens: 7 }),
  wire.MESSAGE_STOP,
].join("");

const GEMINI_STREAM = ["Hello", " wörld", "."]
  .map((text, i) =>
    wire.data(
      wire.geminiAnswer(
        { id: "r1", model: "gemini-2.5-flash" },
        [{ text }],
        wire.geminiUsage({ input: 9, output: 3 * i + 1 }),
        i === 2 ? "STOP" : undefined,
      ),
    ),
  )
  .join("");

function openai(name: string, asks: boolean): Read {
  return (sdks, fetch) => {
    const OpenAI = sdks[name] as unknown as new (
      options: object,
    ) => {
      chat: { completions: { create(body: object): Promise<AsyncIterable<unknown>> } };
    };
    const client = new OpenAI({ apiKey: "k", maxRetries: 0, fetch });
    const more = asks ? { stream_options: { include_usage: true } } : {};
    return client.chat.completions.create({ model: "gpt-5-mini", messages, stream: true, ...more });
  };
}

const READS: Readonly<Record<string, Read>> = {
  "openai 5": openai("OpenAI5", false),
  "openai 5, asking for usage": openai("OpenAI5", true),
  "openai 6": openai("OpenAI6", false),
  "openai 6, asking for usage": openai("OpenAI6", true),
  "openai 7": openai("OpenAI7", false),
  "openai 7, asking for usage": openai("OpenAI7", true),
  "groq-sdk": openai("Groq", false),
  "@anthropic-ai/sdk": (sdks, fetch) => {
    const Anthropic = sdks.Anthropic as unknown as new (
      options: object,
    ) => {
      messages: { create(body: object): Promise<AsyncIterable<unknown>> };
    };
    const client = new Anthropic({ apiKey: "k", maxRetries: 0, fetch });
    return client.messages.create({ model: "claude-sonnet-4-6", max_tokens: 100, messages, stream: true });
  },
  "@google/genai": async (sdks, fetch) => {
    const GoogleGenAI = sdks.GoogleGenAI as unknown as new (
      options: object,
    ) => {
      models: { generateContentStream(body: object): Promise<AsyncIterable<unknown>> };
    };
    const before = globalThis.fetch;
    // It takes the global fetch.
    globalThis.fetch = fetch;
    try {
      return await new GoogleGenAI({ apiKey: "k" }).models.generateContentStream({
        model: "gemini-2.5-flash",
        contents: "Hello",
      });
    } finally {
      globalThis.fetch = before;
    }
  },
  ai: (sdks, fetch) => {
    const { createOpenAI, streamText } = sdks as unknown as {
      createOpenAI(options: object): { chat(model: string): unknown };
      streamText(options: object): { fullStream: AsyncIterable<unknown> };
    };
    const model = createOpenAI({ apiKey: "k", fetch }).chat("gpt-5-mini");
    return streamText({ model, prompt: "Hello", maxRetries: 0, onError: () => {} }).fullStream;
  },
};

const ASKED = '"include_usage":true';

/**
 * A stream in chunks of 50 bytes up to the cut, then the error of a lost connection. `asked`: whether the caller asked for
 * usage; where only we did, the cut is at the same place of the longer stream.
 */
function cutFetch(at: number, asked?: (body: string) => boolean): Fetch {
  return async (input, init) => {
    const sent = String(init?.body);
    const text = String(input).includes("anthropic")
      ? ANTHROPIC_STREAM
      : String(input).includes("googleapis")
        ? GEMINI_STREAM
        : chatStream(sent.includes(ASKED));
    const bytes = Buffer.from(text);
    const end = Math.min(asked?.(sent) === false && sent.includes(ASKED) ? placeIn(at) : at, bytes.length);
    let from = 0;
    const body = new ReadableStream({
      type: "bytes",
      pull(controller) {
        if (from >= end)
          return controller.error(new TypeError("terminated", { cause: new Error("other side closed") }));
        controller.enqueue(new Uint8Array(bytes.subarray(from, Math.min(from + 50, end))));
        from += 50;
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
}

async function outcome(read: Read, sdks: Sdks, fetch: Fetch): Promise<{ events: number; error: string }> {
  let events = 0;
  try {
    for await (const event of await read(sdks, fetch)) {
      const { type, error } = event as { type?: string; error?: unknown };
      // The AI SDK tells an error as an event.
      if (type === "error") return { events, error: String(error) };
      events += 1;
    }
    return { events, error: "none" };
  } catch (error) {
    const { name, message, cause } = error as Error;
    return {
      events,
      error: `${(error as Error).constructor.name} ${name}: ${message} (${cause instanceof Error ? cause.message : ""})`,
    };
  }
}

let runtime: Runtime;

beforeAll(async () => {
  runtime = createRuntime(() => {});
  await runtime.start({ telemetry: false, env: {} });
});
afterAll(() => runtime.stop());

async function load(context: TestContext): Promise<Sdks> {
  return (await import(pathToFileURL(join(await needApp(context, "sdks"), "sdks.mjs")).href)) as Sdks;
}

const LENGTHS: Readonly<Record<string, number>> = {
  "@anthropic-ai/sdk": Buffer.byteLength(ANTHROPIC_STREAM),
  "@google/genai": Buffer.byteLength(GEMINI_STREAM),
};

describe("a stream cut at any byte fails as without us", () => {
  test.for(Object.entries(READS))("%s", async ([name, read], context) => {
    const sdks = await load(context);
    let asks = false;
    const note = (body: string): boolean => {
      asks = body.includes(ASKED);
      return asks;
    };
    await outcome(read, sdks, cutFetch(0, note));
    const length = LENGTHS[name] ?? Buffer.byteLength(chatStream(asks));
    let right = 0;
    const wrong: unknown[] = [];
    for (let at = 0; at < length; at++) {
      const expected = await outcome(read, sdks, cutFetch(at));
      const ours = await outcome(read, sdks, runtime.wrapFetch(cutFetch(at, () => asks)));
      if (JSON.stringify(ours) === JSON.stringify(expected)) right += 1;
      else wrong.push({ at, ours, expected });
    }
    console.log(`${name}: as without us in ${right} of ${length} cuts`);
    expect(wrong.slice(0, 5)).toEqual([]);
  });
});

/** The byte of the stream with usage at which as many events have come as at `at` of the one without. */
function placeIn(at: number): number {
  const [without, asked] = [chatStream(false), chatStream(true)].map((text) => text.split(/(?<=\n\n)/)) as [
    string[],
    string[],
  ];
  let left = at;
  let place = 0;
  for (const [i, event] of without.entries()) {
    const size = Buffer.byteLength(event);
    const other = Buffer.byteLength(asked[i] as string);
    if (left < size) return place + left;
    left -= size;
    place += other;
  }
  return place + left;
}
