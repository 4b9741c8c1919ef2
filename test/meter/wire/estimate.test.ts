import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";

// An estimate is compared with what any tokenizer makes of English prose, four to five letters a token: it may be off by
// half, and not by a factor of two.

const SENTENCE = "The river runs from the hills to the sea, and the road beside it is older than the towns. ";
const PROSE = SENTENCE.repeat(100);
/** Bytes a token. */
const MOST = 6;
const LEAST = 2.8;

let runtime: Runtime;
let calls: SettledCall[];
beforeEach(() => {
  calls = [];
  runtime = createRuntime(() => {});
  runtime.listeners.add((call) => calls.push(call));
});
afterEach(() => runtime.stop());

/** A call whose response is never read, so that its input is estimated and nothing else is known. */
async function inputOf({ uri, request }: Format, ...more: readonly object[]): Promise<number> {
  const fetch = runtime.wrapFetch(async () => new Response(new ReadableStream()));
  await fetch(uri, { method: "POST", body: JSON.stringify(Object.assign({}, request(SENTENCE), ...more)) });
  await runtime.flush();
  const call = calls.pop() as SettledCall;
  expect(call).toMatchObject({ quality: "estimated", ending: "canceled" });
  return (call.usage as { input: number }).input;
}

interface Format {
  readonly uri: string;
  request(text: string): object;
  /** The text, and a picture beside it. */
  picture(text: string): object;
  readonly tools: (description: string) => object;
}

const parameters = { type: "object", properties: {} };
const PICTURE = "iVBORw0KGgo=".repeat(500);

const FORMATS: Readonly<Record<string, Format>> = {
  "openai-chat": {
    uri: "https://api.openai.com/v1/chat/completions",
    request: (content) => ({ model: "m", messages: [{ role: "user", content }] }),
    picture: (text) => ({
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text },
            { type: "image_url", image_url: { url: `data:image/png;base64,${PICTURE}` } },
          ],
        },
      ],
    }),
    tools: (description) => ({ tools: [{ type: "function", function: { name: "f", description, parameters } }] }),
  },
  "openai-responses": {
    uri: "https://api.openai.com/v1/responses",
    request: (input) => ({ model: "m", input }),
    picture: (text) => ({
      input: [
        {
          role: "user",
          content: [
            { type: "input_text", text },
            { type: "input_image", image_url: `data:image/png;base64,${PICTURE}` },
          ],
        },
      ],
    }),
    tools: (description) => ({ tools: [{ type: "function", name: "f", description, parameters }] }),
  },
  "anthropic-messages": {
    uri: "https://api.anthropic.com/v1/messages",
    request: (content) => ({ model: "m", max_tokens: 9, messages: [{ role: "user", content }] }),
    picture: (text) => ({
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text },
            { type: "image", source: { type: "base64", media_type: "image/png", data: PICTURE } },
          ],
        },
      ],
    }),
    tools: (description) => ({ tools: [{ name: "f", description, input_schema: parameters }] }),
  },
  "google-generate": {
    uri: "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
    request: (text) => ({ contents: [{ role: "user", parts: [{ text }] }] }),
    picture: (text) => ({
      contents: [{ role: "user", parts: [{ text }, { inlineData: { mimeType: "image/png", data: PICTURE } }] }],
    }),
    tools: (description) => ({ tools: [{ functionDeclarations: [{ name: "f", description, parameters }] }] }),
  },
};

describe.each(Object.entries(FORMATS))("%s", (_name, format) => {
  test("the tokens of a text", async () => {
    const tokens = (await inputOf(format, format.request(PROSE))) - (await inputOf(format));
    const bytes = PROSE.length - SENTENCE.length;
    expect(tokens).toBeGreaterThan(bytes / MOST);
    expect(tokens).toBeLessThan(bytes / LEAST);
  });

  test("a call costs a few tokens beside its text", async () => {
    expect(await inputOf(format)).toBeLessThan(SENTENCE.length / LEAST + 30);
  });

  test("tools are tokens too, each vendor's in its own way", async () => {
    const bare = await inputOf(format);
    const [few, many] = [await inputOf(format, format.tools("")), await inputOf(format, format.tools(PROSE))];
    expect(few - bare).toBeGreaterThan(10);
    expect(few - bare).toBeLessThan(600);
    expect(many - few).toBeGreaterThan(PROSE.length / 12);
    expect(many - few).toBeLessThan(PROSE.length / 2);
  });

  test("a picture is some hundred tokens, and not the length of its bytes", async () => {
    const more = (await inputOf(format, format.picture(SENTENCE))) - (await inputOf(format));
    expect(more).toBeGreaterThan(200);
    expect(more).toBeLessThan(1_200);
  });
});

describe("what is no text of the conversation costs nothing", () => {
  const long = "bWFkZSB1cA==".repeat(400);

  test.each<[string, string, (opaque: string) => object]>([
    [
      "reasoning that is encrypted",
      "openai-responses",
      (opaque) => ({
        input: [
          { role: "user", content: SENTENCE },
          { type: "reasoning", id: "rs_1", summary: [], encrypted_content: opaque },
        ],
      }),
    ],
    [
      "compaction that is encrypted",
      "openai-responses",
      (opaque) => ({ input: [{ type: "compaction", id: "cmp_1", encrypted_content: opaque }] }),
    ],
    [
      "a search result that is encrypted",
      "anthropic-messages",
      (opaque) => ({
        messages: [
          {
            role: "user",
            content: [{ type: "web_search_result", title: "T", url: "https://example.com", encrypted_content: opaque }],
          },
        ],
      }),
    ],
    [
      "a thought's signature, of Anthropic",
      "anthropic-messages",
      (opaque) => ({
        messages: [{ role: "assistant", content: [{ type: "thinking", thinking: "Hm.", signature: opaque }] }],
      }),
    ],
    [
      "a thought's signature, of Google",
      "google-generate",
      (opaque) => ({ contents: [{ role: "model", parts: [{ text: SENTENCE, thoughtSignature: opaque }] }] }),
    ],
    [
      "what the caller notes for itself",
      "openai-chat",
      (opaque) => ({ messages: [{ role: "user", content: SENTENCE }], metadata: { note: opaque }, user: opaque }),
    ],
    [
      "a name of a tool's call",
      "openai-chat",
      (opaque) => ({ messages: [{ role: "tool", tool_call_id: opaque, content: SENTENCE }] }),
    ],
  ])("%s", async (_name, format, more) => {
    const of = (opaque: string) => inputOf(FORMATS[format] as Format, more(opaque));
    expect(await of(long)).toBe(await of(""));
  });
});

describe("the output of a stream that is cut", () => {
  test.each<[string, (text: string) => string]>([
    ["openai-chat", (text) => `data: {"choices":[{"index":0,"delta":{"content":${text}}}]}\n\n`],
    ["openai-responses", (text) => `data: {"type":"response.output_text.delta","delta":${text}}\n\n`],
    [
      "anthropic-messages",
      (text) => `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":${text}}}\n\n`,
    ],
    ["google-generate", (text) => `data: {"candidates":[{"content":{"parts":[{"text":${text}}]}}]}\n\n`],
  ])("%s", async (name, frame) => {
    const { uri, request } = FORMATS[name] as Format;
    const body = Array.from({ length: 100 }, () => frame(JSON.stringify(SENTENCE))).join("");
    const fetch = runtime.wrapFetch(
      async () => new Response(body, { headers: { "content-type": "text/event-stream" } }),
    );
    const streaming = uri.replace(":generateContent", ":streamGenerateContent?alt=sse");
    await (await fetch(streaming, { method: "POST", body: JSON.stringify({ ...request("Hi"), stream: true }) })).text();
    await runtime.flush();
    const { usage, quality } = calls[0] as SettledCall;
    expect(quality).toBe("estimated");
    expect(usage?.output).toBeGreaterThan(PROSE.length / MOST);
    expect(usage?.output).toBeLessThan(PROSE.length / LEAST);
  });
});
