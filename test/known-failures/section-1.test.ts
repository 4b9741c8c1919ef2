import type OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { type Answer, type ModelServer, type Script, startModelServer } from "../servers/model-server.ts";
import { drain, expectLeft, expectNear, type Metered, meter } from "./metered.ts";
import {
  ANTHROPIC_MODEL,
  anthropicFrames,
  anthropicHalf,
  COST,
  chatHalf,
  chatStream,
  HALF,
  HALF_MARKER,
  OPENAI_MODEL,
  PIECES,
  PROMPT,
  responsesFrames,
  responsesHalf,
  streamed,
  TRUTH,
} from "./vendors.ts";

/** What a case of the table must come to. */
type Expected =
  /** Exactly what the vendor counts. */
  | { readonly is: "truth"; readonly vendor: keyof typeof TRUTH }
  /** Broken off when half of the answer had come. */
  | { readonly is: "half"; readonly vendor: keyof typeof TRUTH }
  /** Nothing of the answer was read. */
  | { readonly is: "unread" };

interface Case {
  readonly name: string;
  readonly answer: Answer | Script;
  /** Makes and reads the call; returns the text that the caller got. */
  readonly run: (metered: Metered) => Promise<string>;
  readonly text?: string;
  readonly expected: Expected;
  /** The server must see the cancellation, by itself. */
  readonly leaves?: true;
}

const messages = [{ role: "user" as const, content: PROMPT }];
const chat = { model: OPENAI_MODEL, messages, stream: true } as const;
const asks = { ...chat, stream_options: { include_usage: true } } as const;
const responses = { model: OPENAI_MODEL, input: PROMPT, stream: true } as const;
const claude = { model: ANTHROPIC_MODEL, max_tokens: 100, messages } as const;
const all = PIECES.join("");

type Chunk = OpenAI.ChatCompletionChunk;
const textOf = (chunk: Chunk): string => chunk.choices[0]?.delta.content ?? "";

async function readChat(stream: AsyncIterable<Chunk>, stop?: string): Promise<string> {
  let text = "";
  for await (const chunk of stream) {
    text += textOf(chunk);
    if (stop !== undefined && textOf(chunk) === stop) break;
  }
  return text;
}

const CASES: readonly Case[] = [
  {
    name: "chat, include_usage",
    answer: chatStream,
    run: async ({ openai }) => readChat(await openai.chat.completions.create(asks)),
    text: all,
    expected: { is: "truth", vendor: "openai" },
  },
  {
    name: "chat without it",
    answer: chatStream,
    run: async ({ openai }) => readChat(await openai.chat.completions.create(chat)),
    text: all,
    expected: { is: "truth", vendor: "openai" },
  },
  {
    name: "chat, break",
    answer: chatHalf,
    run: async ({ openai }) => readChat(await openai.chat.completions.create(asks), HALF_MARKER),
    text: HALF,
    expected: { is: "half", vendor: "openai" },
    leaves: true,
  },
  {
    name: "chat, AbortSignal",
    answer: chatHalf,
    async run({ openai }) {
      const abort = new AbortController();
      let text = "";
      for await (const chunk of await openai.chat.completions.create(asks, { signal: abort.signal })) {
        text += textOf(chunk);
        if (text === HALF) abort.abort();
      }
      return text;
    },
    text: HALF,
    expected: { is: "half", vendor: "openai" },
    leaves: true,
  },
  {
    name: "chat, never consumed",
    answer: chatHalf,
    async run({ openai, runtime }) {
      await openai.chat.completions.create(asks);
      await runtime.flush();
      return "";
    },
    expected: { is: "unread" },
  },
  {
    name: ".create().withResponse()",
    answer: chatStream,
    async run({ openai }) {
      const { data, response } = await openai.chat.completions.create(chat).withResponse();
      expect([response.status, response instanceof Response]).toEqual([200, true]);
      return readChat(data);
    },
    text: all,
    expected: { is: "truth", vendor: "openai" },
  },
  {
    name: ".toReadableStream()",
    answer: chatStream,
    async run({ openai }) {
      const lines = await new Response((await openai.chat.completions.create(chat)).toReadableStream()).text();
      const chunks = lines
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Chunk);
      return chunks.map(textOf).join("");
    },
    text: all,
    expected: { is: "truth", vendor: "openai" },
  },
  {
    name: "chat.completions.stream()",
    answer: chatStream,
    run: async ({ openai }) => (await openai.chat.completions.stream(chat).finalMessage()).content ?? "",
    text: all,
    expected: { is: "truth", vendor: "openai" },
  },
  {
    name: "Responses, completed",
    answer: streamed(...responsesFrames()),
    async run({ openai }) {
      const events = await drain(await openai.responses.create(responses));
      return (events as { type: string; delta?: string }[])
        .map((e) => (e.type.endsWith("text.delta") ? e.delta : ""))
        .join("");
    },
    text: all,
    expected: { is: "truth", vendor: "openai" },
  },
  {
    name: "response.incomplete",
    answer: streamed(...responsesFrames("incomplete")),
    async run({ openai }) {
      const events = (await drain(await openai.responses.create(responses))) as { type: string }[];
      expect(events.at(-1)?.type).toBe("response.incomplete");
      return "";
    },
    expected: { is: "truth", vendor: "openai" },
  },
  {
    name: "Responses, break",
    answer: responsesHalf,
    async run({ openai }) {
      let text = "";
      for await (const event of await openai.responses.create(responses)) {
        if (event.type === "response.output_text.delta") text += event.delta;
        if (text === HALF) break;
      }
      return text;
    },
    text: HALF,
    expected: { is: "half", vendor: "openai" },
    leaves: true,
  },
  {
    name: "Anthropic, full",
    answer: streamed(...anthropicFrames()),
    async run({ anthropic }) {
      let text = "";
      for await (const event of await anthropic.messages.create({ ...claude, stream: true })) {
        if (event.type === "content_block_delta" && event.delta.type === "text_delta") text += event.delta.text;
      }
      return text;
    },
    text: all,
    expected: { is: "truth", vendor: "anthropic" },
  },
  {
    name: "Anthropic, break",
    answer: anthropicHalf,
    async run({ anthropic }) {
      let text = "";
      for await (const event of await anthropic.messages.create({ ...claude, stream: true })) {
        if (event.type === "content_block_delta" && event.delta.type === "text_delta") text += event.delta.text;
        if (text === HALF) break;
      }
      return text;
    },
    text: HALF,
    expected: { is: "half", vendor: "anthropic" },
    leaves: true,
  },
  {
    name: "messages.stream()",
    answer: streamed(...anthropicFrames()),
    run: async ({ anthropic }) => anthropic.messages.stream(claude).finalText(),
    text: all,
    expected: { is: "truth", vendor: "anthropic" },
  },
];

/** USD of a call that was broken off, by hand, from the tokens that were shown for it. */
function costOf(vendor: keyof typeof TRUTH, { usage }: SettledCall): number {
  const output = usage?.output ?? Number.NaN;
  if (vendor === "openai") return ((usage?.input ?? Number.NaN) * 1.25 + output * 10) / 1e6;
  return COST.anthropic + ((output - TRUTH.anthropic.output) * 15) / 1e6;
}

function check({ expected }: Case, call: SettledCall): void {
  const { usage } = call;
  expect(call).toMatchObject({ stream: true, status: 200, priced: "true", costSource: "local" });
  if (expected.is === "truth") {
    expect(call).toMatchObject({ ending: "completed", quality: "reported", usage: TRUTH[expected.vendor] });
    expect(call.costUsd).toBeCloseTo(COST[expected.vendor], 12);
    return;
  }
  expect(call).toMatchObject({ ending: "canceled", quality: "estimated" });
  const vendor = expected.is === "half" ? expected.vendor : "openai";
  const { input, cacheRead, cacheWrite, cacheWrite1h } = TRUTH.anthropic;
  if (vendor === "anthropic") expect(usage).toMatchObject({ input, cacheRead, cacheWrite, cacheWrite1h });
  else {
    expect(usage?.input).toBeGreaterThan(TRUTH.openai.input * 0.85);
    expect(usage?.input).toBeLessThan(TRUTH.openai.input * 1.15);
  }
  if (expected.is === "unread") expect(usage?.output).toBe(0);
  else expectNear(usage?.output, HALF);
  expect(call.costUsd).toBeCloseTo(costOf(vendor, call), 12);
}

/** What the page's columns show: in and out, and whether it is the vendor's word or ours. */
function column({ usage, costUsd, quality }: SettledCall): string {
  const kinds =
    usage && `${usage.input} (${usage.cacheRead} + ${usage.cacheWrite}) / ${usage.output} (${usage.reasoning})`;
  return `${quality === "reported" ? "ok" : quality}  ${kinds}  $${costUsd?.toFixed(7)}`;
}

describe("section 1: what we record on streams", () => {
  let server: ModelServer;
  const shown: string[] = [];

  beforeAll(async () => {
    server = await startModelServer();
  });
  afterEach(() => server.drop());
  afterAll(async () => {
    await server.close();
    const width = Math.max(...CASES.map(({ name }) => name.length));
    const lines = shown.map((line) => line.replace(/^[^|]*/, (name) => name.trim().padEnd(width + 1)));
    const head = `${"Case".padEnd(width)} | ours: in (cache read + write) / out (reasoning)`;
    console.log([head, ...lines, `cases right: ${shown.length} of ${CASES.length}`].join("\n"));
  });

  test.each(CASES)("$name", async (each) => {
    server.play(each.answer);
    const metered = meter(server);
    const text = await each.run(metered);
    if (each.text !== undefined) expect(text).toBe(each.text);
    if (each.leaves) await expectLeft(server);
    const call = await metered.one();
    check(each, call);
    expect(metered.sums()).toMatchObject({ calls: 1, input: call.usage?.input, output: call.usage?.output });
    shown.push(`${each.name} | ${column(call)}`);
  });
});
