import { afterAll, describe, expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { createRuntime } from "../../src/process/runtime.ts";
import * as wire from "../servers/formats.ts";
import type { Recording } from "./exchange.ts";
import { type Replay, replayFetch } from "./recording.ts";

/** Words that are one token each, with the space before them, in the tokenizers that are public. */
const WORDS =
  " the old harbour town keeps its bread and salt in a stone house near the north gate where ships from many ports come every spring with rope paper glass and oil for the market".split(
    /(?= )/,
  );
const words = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => WORDS[index % WORDS.length] as string);

const PROMPT = words(400);
const SHOWN = words(120);
const ORIGIN = { id: "id_1", model: "test-model" };
const OVERLOADED = { type: "overloaded_error", message: "Overloaded" };

interface Format {
  readonly uri: string;
  /** Tokens of a message beside its words, as the vendor counts them. */
  readonly beside: number;
  readonly request: (prompt: string) => object;
  readonly open: readonly string[];
  readonly delta: (text: string) => string;
  readonly error: string;
}

const FORMATS: Readonly<Record<string, Format>> = {
  "openai-chat": {
    uri: "https://llm.example.com/v1/chat/completions",
    beside: 7,
    request: (content) => ({ model: "test-model", stream: true, messages: [{ role: "user", content }] }),
    open: [wire.chatDelta(ORIGIN, { role: "assistant", content: "" })],
    delta: (content) => wire.chatDelta(ORIGIN, { content }),
    error: wire.data({ error: OVERLOADED }),
  },
  "openai-responses": {
    uri: "https://api.openai.com/v1/responses",
    beside: 7,
    request: (input) => ({ model: "test-model", stream: true, input }),
    open: [wire.event({ type: "response.created", response: wire.responseObject(ORIGIN, "in_progress", [], null) })],
    delta: (delta) =>
      wire.event({ type: "response.output_text.delta", item_id: "m", output_index: 0, content_index: 0, delta }),
    error: wire.event({ ...OVERLOADED, type: "error" }),
  },
  "anthropic-messages": {
    uri: "https://api.anthropic.com/v1/messages",
    beside: 7,
    request: (content) => ({
      model: "test-model",
      max_tokens: 900,
      stream: true,
      messages: [{ role: "user", content }],
    }),
    open: [
      wire.messageStart(wire.anthropicMessage(ORIGIN, [], null, { input_tokens: 407, output_tokens: 1 })),
      wire.event({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }),
    ],
    delta: (text) => wire.event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } }),
    error: wire.event({ type: "error", error: OVERLOADED }),
  },
  "google-generate": {
    uri: "https://generativelanguage.googleapis.com/v1beta/models/test-model:streamGenerateContent?alt=sse",
    beside: 0,
    request: (text) => ({ contents: [{ role: "user", parts: [{ text }] }] }),
    open: [],
    delta: (text) => wire.data(wire.geminiAnswer(ORIGIN, [{ text }])),
    error: wire.data({ error: { code: 503, message: "Overloaded", status: "UNAVAILABLE" } }),
  },
};

/** How a stream ends after its 120 words. */
interface Ending {
  readonly replay: Omit<Replay, "chunks">;
  readonly read: (response: Response, abort: AbortController) => Promise<unknown>;
  /** An error event follows on the words. */
  readonly fails?: true;
  /** The consumer sees no word. */
  readonly unread?: true;
}

async function readAll(response: Response): Promise<unknown> {
  try {
    for await (const _ of response.body as ReadableStream<Uint8Array>);
    return undefined;
  } catch (error) {
    return error;
  }
}

async function readOne(response: Response, then: (reader: ReadableStreamDefaultReader) => unknown): Promise<unknown> {
  const reader = (response.body as ReadableStream).getReader();
  await reader.read();
  const rest = reader.read().catch((error: unknown) => error);
  await then(reader);
  return rest;
}

const ENDINGS: Readonly<Record<string, Ending>> = {
  break: { replay: { hang: true }, read: (response) => readOne(response, (reader) => reader.cancel()) },
  abort: { replay: { hang: true }, read: (response, abort) => readOne(response, () => abort.abort()) },
  timeout: {
    replay: { hang: true },
    read: (response, abort) => readOne(response, () => abort.abort(new DOMException("late", "TimeoutError"))),
  },
  "error event": { replay: {}, read: readAll, fails: true },
  cut: { replay: { error: new TypeError("terminated") }, read: readAll },
  "cut in one read": {
    replay: { error: new TypeError("terminated") },
    read: (response) => response.text().catch((error: unknown) => error),
  },
  unread: { replay: { hang: true }, read: async () => {}, unread: true },
};

const CASES = Object.entries(FORMATS).flatMap(([name, format]) =>
  Object.entries(ENDINGS).map(([how, ending]) => [`${name}: ${how}`, format, ending] as const),
);

describe("endings of streams whose words are one token each", () => {
  const offs: number[] = [];

  test.each(CASES)("%s", async (_name, format, ending) => {
    const runtime = createRuntime(() => {});
    const calls: SettledCall[] = [];
    runtime.listeners.add((call) => calls.push(call));
    const abort = new AbortController();
    const frames = [...format.open, ...SHOWN.map(format.delta), ...(ending.fails ? [format.error] : [])];
    const recording = { status: 200, contentType: "text/event-stream" } as Recording;
    const body = new Uint8Array(Buffer.from(frames.join("")));
    const fetch = runtime.wrapFetch(replayFetch(recording, { chunks: [body], ...ending.replay }));
    const request = JSON.stringify(format.request(PROMPT.join("")));
    const headers = { "anthropic-version": "2023-06-01", authorization: "Bearer sk-test" };
    const response = await fetch(format.uri, { method: "POST", headers, body: request, signal: abort.signal });
    await ending.read(response, abort);
    await runtime.flush();
    const [call] = calls as [SettledCall];
    expect(call.quality).toBe("estimated");
    const input = PROMPT.length + format.beside;
    const output = ending.unread ? 0 : SHOWN.length;
    const usage = call.usage as { input: number; output: number };
    if (ending.unread) expect(usage.output).toBe(0);
    else expect(Math.abs(usage.output - output) / output).toBeLessThanOrEqual(0.25);
    expect(Math.abs(usage.input - input) / input).toBeLessThanOrEqual(0.25);
    offs.push(Math.abs(usage.input + usage.output - input - output) / (input + output));
  });

  afterAll(() => {
    console.log(`scripted endings: ${offs.length}, the worst ${Math.round(100 * Math.max(...offs))} % off`);
  });
});
