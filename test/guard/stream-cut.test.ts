import { crc32 } from "node:zlib";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ConfigFile } from "../../src/core/config-types.ts";
import { isBlocked } from "../../src/guard/blocked.ts";
import { eventually } from "../eventually.ts";
import { EVENTSTREAM, eventFrame } from "../servers/bedrock-frames.ts";
import { type ModelServer, type Step, startModelServer } from "../servers/model-server.ts";
import { answer, chat, type Guarded, guard, MODEL } from "./guarded.ts";

let server: ModelServer;
let guards: Guarded[] = [];

beforeAll(async () => {
  server = await startModelServer();
});
afterEach(async () => {
  await Promise.all(guards.map((one) => one.stop()));
  guards = [];
});
afterAll(() => server.close());

async function open(config: ConfigFile): Promise<Guarded> {
  const one = await guard(server, { cutStreams: true, ...config });
  guards.push(one);
  return one;
}

const data = (json: object, event?: string): string =>
  `${event ? `event: ${event}\n` : ""}data: ${JSON.stringify(json)}\n\n`;
const chatFrame = (content: string): string =>
  data({
    id: "1",
    object: "chat.completion.chunk",
    model: MODEL,
    choices: [{ index: 0, delta: { content }, finish_reason: null }],
  });
const messages = [{ role: "user" as const, content: "Hi" }];
const apiKey = "sk-test";

interface Shape {
  readonly first: string;
  readonly next: string;
  /** Yields once for each piece that came. */
  readonly read: (fetch: typeof globalThis.fetch) => AsyncIterable<unknown>;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  "openai chat": {
    first: chatFrame("Hello there"),
    next: chatFrame(" and more"),
    async *read(fetch) {
      yield* await new OpenAI({ apiKey, fetch, baseURL: `${server.url}/v1` }).chat.completions.create({
        model: MODEL,
        messages,
        stream: true,
      });
    },
  },
  "openai responses": {
    first: data(
      {
        type: "response.created",
        response: { id: "r", object: "response", model: MODEL, status: "in_progress", output: [] },
      },
      "response.created",
    ),
    next: data(
      { type: "response.output_text.delta", item_id: "i", output_index: 0, content_index: 0, delta: "more" },
      "response.output_text.delta",
    ),
    async *read(fetch) {
      yield* await new OpenAI({ apiKey, fetch, baseURL: `${server.url}/v1` }).responses.create({
        model: MODEL,
        input: "Hi",
        stream: true,
      });
    },
  },
  "anthropic messages": {
    first: data(
      {
        type: "message_start",
        message: {
          id: "m",
          type: "message",
          role: "assistant",
          model: MODEL,
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: { input_tokens: 3, output_tokens: 1 },
        },
      },
      "message_start",
    ),
    next: data(
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      "content_block_start",
    ),
    async *read(fetch) {
      yield* await new Anthropic({ apiKey, fetch, baseURL: server.url }).messages.create({
        model: MODEL,
        max_tokens: 10,
        messages,
        stream: true,
      });
    },
  },
  "google generateContent": {
    first: data({
      candidates: [{ content: { parts: [{ text: "Hello" }], role: "model" }, index: 0 }],
      modelVersion: MODEL,
    }),
    next: data({
      candidates: [{ content: { parts: [{ text: " more" }], role: "model" }, index: 0 }],
      modelVersion: MODEL,
    }),
    async *read(fetch) {
      const client = new GoogleGenAI({ apiKey, httpOptions: { fetch, baseUrl: server.url } as never });
      yield* await client.models.generateContentStream({ model: MODEL, contents: "Hi" });
    },
  },
};

const headers = { "content-type": "text/event-stream" };

describe("a stream under way whose circuit opens", () => {
  test.each(Object.entries(SHAPES))(
    "%s: the SDK raises its error, and the vendor is told to stop",
    async (_, { first, next, read }) => {
      const tripped = Promise.withResolvers<void>();
      // The vendor would go on for ever.
      const more: Step[] = Array.from({ length: 200 }, () => [next, { pause: 5 }] as const).flat();
      server.play({ headers, steps: [first, { until: tripped.promise }, ...more] });
      const one = await open({ breaker: { port: 0 } });
      let pieces = 0;
      const error: unknown = await (async () => {
        for await (const _ of one.runtime.scoping.scope({ agent: "researcher" }, () => read(one.fetch))) {
          pieces += 1;
          if (pieces > 1) continue;
          const body = JSON.stringify({ scope: "agent:researcher", reason: "enough" });
          await fetch(`${one.runtime.breakerUrl()}/circuits/trip`, { method: "POST", body });
          tripped.resolve();
        }
      })().then(
        () => undefined,
        (raised: unknown) => raised,
      );
      expect(isBlocked(error)).toMatchObject({
        reason: "circuit",
        source: "operator",
        scope: "agent:researcher",
        why: "enough",
      });
      await eventually(() => expect(one.settled).toHaveLength(1));
      expect(one.settled[0]).toMatchObject({ ending: "canceled" });
      const { by, sent } = await (await server.visit(0)).over;
      expect(by).toBe("client");
      expect(sent).toBeLessThan(100);
    },
  );

  test.each([
    // What begins an event that may be ours to hide is kept back, and never comes.
    ["where we ask for usage", {}, 2],
    ["where the caller does", { stream_options: { include_usage: true } }, 3],
  ])("plain fetch gets the event in the middle of none, and then the end, %s", async (_, asks, count) => {
    const tripped = Promise.withResolvers<void>();
    const frame = chatFrame("Hello there");
    // One event lies in two chunks when the circuit opens.
    server.play({
      headers,
      steps: [
        frame + frame.slice(0, 40),
        { until: tripped.promise },
        frame.slice(40) + frame,
        { pause: 20 },
        frame,
        "hang",
      ],
    });
    const one = await open({ breaker: { port: 0 } });
    const body = JSON.stringify({ model: MODEL, stream: true, messages, ...asks });
    const response = await one.runtime.scoping.scope({ agent: "researcher" }, () =>
      one.fetch(`${server.url}/v1/chat/completions`, { method: "POST", body }),
    );
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader?.read())?.value ?? "";
    await fetch(`${one.runtime.breakerUrl()}/circuits/trip`, {
      method: "POST",
      body: JSON.stringify({ scope: "agent:researcher" }),
    });
    tripped.resolve();
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) text += part.value;
    const events = text
      .split("\n\n")
      .filter(Boolean)
      .map((event) => JSON.parse(event.replace("data: ", "")) as { error?: unknown });
    expect(events).toHaveLength(count);
    expect(isBlocked(events.at(-1))).toMatchObject({ reason: "circuit" });
    expect((await (await server.visit(0)).over).by).toBe("client");
  });

  test("a binary stream is cut behind a whole frame, by a frame of our own", async () => {
    const tripped = Promise.withResolvers<void>();
    const frame = eventFrame("contentBlockDelta", { contentBlockIndex: 0, delta: { text: "Hello" } });
    server.play({
      headers: EVENTSTREAM,
      steps: [
        Buffer.concat([frame, frame.subarray(0, 40)]),
        { until: tripped.promise },
        Buffer.concat([frame.subarray(40), frame]),
        { pause: 20 },
        frame,
        "hang",
      ],
    });
    const one = await open({ breaker: { port: 0 } });
    const body = JSON.stringify({ messages: [{ role: "user", content: [{ text: "Hi" }] }] });
    const response = await one.runtime.scoping.scope({ agent: "researcher" }, () =>
      one.fetch(`${server.url}/model/${MODEL}/converse-stream`, { method: "POST", body }),
    );
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const read = [(await reader.read()).value as Uint8Array];
    await fetch(`${one.runtime.breakerUrl()}/circuits/trip`, {
      method: "POST",
      body: JSON.stringify({ scope: "agent:researcher" }),
    });
    tripped.resolve();
    for (let part = await reader.read(); !part.done; part = await reader.read()) read.push(part.value);
    const bytes = Buffer.concat(read);
    expect(bytes.subarray(0, 2 * frame.length)).toEqual(Buffer.concat([frame, frame]));
    const ours = bytes.subarray(2 * frame.length);
    expect(ours.readUInt32BE(0)).toBe(ours.length);
    expect(ours.readUInt32BE(8)).toBe(crc32(ours.subarray(0, 8)));
    expect(ours.readUInt32BE(ours.length - 4)).toBe(crc32(ours.subarray(0, -4)));
    expect(ours.toString("latin1")).toContain("validationException");
    const payload = JSON.parse(ours.subarray(12 + ours.readUInt32BE(4), -4).toString());
    expect(isBlocked(payload)).toMatchObject({ reason: "circuit" });
    expect((await (await server.visit(0)).over).by).toBe("client");
  });

  test("streams of others, and without the option, go on", async () => {
    const tripped = Promise.withResolvers<void>();
    const last =
      'data: {"id":"1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}\n\ndata: [DONE]\n\n';
    server.play({ headers, steps: [chatFrame("Hello"), { until: tripped.promise }, chatFrame(" there"), last] });
    const cutting = await open({ breaker: { port: 0 } });
    const leaving = await open({ breaker: { port: 0 }, cutStreams: false });
    const body = JSON.stringify({ model: MODEL, stream: true, messages, stream_options: { include_usage: true } });
    const texts = await Promise.all(
      [
        [cutting, "another"],
        [leaving, "researcher"],
      ].map(async ([one, agent]) => {
        const { runtime, fetch: send } = one as Guarded;
        const response = await runtime.scoping.scope({ agent: agent as string }, () =>
          send(`${server.url}/v1/chat/completions`, { method: "POST", body }),
        );
        await fetch(`${runtime.breakerUrl()}/circuits/trip`, {
          method: "POST",
          body: JSON.stringify({ scope: "agent:researcher" }),
        });
        tripped.resolve();
        return response.text();
      }),
    );
    for (const text of texts) expect(text).toContain("[DONE]");
  });
});

test("a stream under way is cut when another call has spent the last of its budget", async () => {
  const full = Promise.withResolvers<void>();
  server.play((visit) => {
    if (!visit.body.includes('"stream":true')) return answer(900, 100);
    return { headers, steps: [chatFrame("Hello"), { until: full.promise }, chatFrame(" more"), "hang"] };
  });
  // What is learned of the other call is more than was foreseen of it.
  const one = await open({ budgets: [{ scope: { agent: "*" }, per: "hour", tokens: 700 }] });
  const client = new OpenAI({ apiKey, fetch: one.fetch, baseURL: `${server.url}/v1` });
  const error: unknown = await one.runtime.scoping
    .scope({ agent: "researcher" }, async () => {
      for await (const _ of await client.chat.completions.create({
        model: MODEL,
        messages,
        stream: true,
        max_tokens: 10,
      })) {
        expect((await chat(one, server.url, { maxTokens: 100 })).status).toBe(200);
        full.resolve();
      }
    })
    .then(
      () => undefined,
      (raised: unknown) => raised,
    );
  expect(isBlocked(error)).toMatchObject({ reason: "budget", limit: 700 });
});

describe("the same request over and over", () => {
  test("opens its agent's circuit, and others go on", async () => {
    server.play(answer(10, 10));
    const one = await open({ repeats: { max: 3, within: "5m", trip: "10m" } });
    const asked: number[] = [];
    for (let call = 0; call < 5; call++) asked.push((await chat(one, server.url, { prompt: "again" })).status);
    expect(asked).toEqual([200, 200, 200, 402, 402]);
    const refused = await chat(one, server.url, { prompt: "something else" });
    expect(isBlocked(refused.json1)).toMatchObject({
      reason: "circuit",
      source: "budget",
      why: "the same request was made more than 3 times",
    });
    expect((await chat(one, server.url, { agent: "another", prompt: "again" })).status).toBe(200);
  });

  test("different requests do not", async () => {
    server.play(answer(10, 10));
    const one = await open({ repeats: { max: 1, within: "5m" } });
    for (let call = 0; call < 5; call++) expect((await chat(one, server.url, { prompt: `${call}` })).status).toBe(200);
  });
});
