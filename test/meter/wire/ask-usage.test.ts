import { describe, expect, test } from "vitest";
import type { ConfigFile } from "../../../src/core/config-types.ts";
import { createRuntime } from "../../../src/process/runtime.ts";

const CHAT = "/v1/chat/completions";
const BODY = { model: "m", messages: [{ role: "user", content: "hi" }], stream: true };

interface Asked {
  readonly url?: string;
  /** As text, or as it is when it is no object. */
  readonly body?: unknown;
  readonly init?: RequestInit;
  readonly config?: ConfigFile;
  /** What leaves the process; the body itself when absent. */
  readonly sent?: string;
}

const text = JSON.stringify(BODY);
const spaced = `{ "model":"m",\n "messages":[{"role":"user","content":"\\"stream_options\\": {"}], "seed":12345678901234567890,"stream":true`;

/** Where and how usage is asked for. */
const ASKED: Readonly<Record<string, Asked>> = {
  "OpenAI, a stream": { sent: `${text.slice(0, -1)},"stream_options":{"include_usage":true}}` },
  Azure: {
    url: `https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=1`,
    sent: `${text.slice(0, -1)},"stream_options":{"include_usage":true}}`,
  },
  "a gateway of the user's that is like one": {
    url: `https://llm.example${CHAT}`,
    config: { hosts: [{ host: "llm.example", like: "api.openai.com" }] },
    sent: `${text.slice(0, -1)},"stream_options":{"include_usage":true}}`,
  },
  "every other byte stays": {
    body: `${spaced}, "stop": null }\n`,
    sent: `${spaced}, "stop": null ,"stream_options":{"include_usage":true}}\n`,
  },
  "other stream options stay": {
    body: `${spaced}, "stream_options" : { "include_obfuscation": false } }`,
    sent: `${spaced}, "stream_options" : {"include_usage":true, "include_obfuscation": false } }`,
  },
  "empty stream options": {
    body: `${spaced},"stream_options":{ }}`,
    sent: `${spaced},"stream_options":{"include_usage":true }}`,
  },
  "no stream options at all": {
    body: { ...BODY, stream_options: null },
    sent: JSON.stringify({ ...BODY, stream_options: { include_usage: true } }),
  },
  "refused in the options": {
    body: { ...BODY, stream_options: { include_usage: false, include_obfuscation: false } },
    sent: JSON.stringify({ ...BODY, stream_options: { include_usage: true, include_obfuscation: false } }),
  },
  "options of a tool as well": {
    body: { ...BODY, tools: [{ stream_options: { a: 1 } }], stream_options: { b: 2 } },
    sent: JSON.stringify({
      ...BODY,
      tools: [{ stream_options: { a: 1 } }],
      stream_options: { b: 2, include_usage: true },
    }),
  },
  "the caller asks": { body: { ...BODY, stream_options: { include_usage: true } } },
  "no stream": { body: { ...BODY, stream: false } },
  "a stream by another word": { body: { ...BODY, stream: "yes" } },
  "switched off": { config: { askUsage: false } },
  "a host that reports by itself": { url: `https://api.groq.com/openai${CHAT}` },
  "a host that we do not know": { url: `https://llm.example${CHAT}` },
  "a user's gateway that does not support it": {
    url: `https://llm.example${CHAT}`,
    config: { hosts: [{ host: "llm.example", like: "api.openai.com", asksUsage: false }] },
  },
  "bytes that are no chat": { body: Buffer.from("{}") },
  "a body whose length is said": { init: { headers: { "Content-Length": String(text.length) } } },
  "Responses report by themselves": {
    url: "https://api.openai.com/v1/responses",
    body: { model: "m", input: "hi", stream: true },
  },
  "Anthropic reports by itself": {
    url: "https://api.anthropic.com/v1/messages",
    body: { ...BODY, max_tokens: 5 },
  },
};

describe("usage is asked for where the host takes it, and the request stays what it is otherwise", () => {
  test.each(Object.entries(ASKED))("%s", async (_name, { url, body = BODY, init, config, sent }) => {
    const runtime = createRuntime(() => {});
    await runtime.start({ telemetry: false, env: {}, ...(config && { config }) });
    await runtime.stop();
    const given: RequestInit = {
      method: "POST",
      headers: { authorization: "Bearer k" },
      signal: new AbortController().signal,
      ...init,
      body: (body instanceof Buffer || typeof body === "string" ? body : JSON.stringify(body)) as string,
    };
    const before = { ...given };
    const seen: unknown[] = [];
    const inner = async (...args: unknown[]) => {
      seen.push(...args);
      return new Response("data: [DONE]\n\n", { headers: { "content-type": "text/event-stream" } });
    };
    const address = url ?? `https://api.openai.com${CHAT}`;
    await (await runtime.wrapFetch(inner as typeof fetch)(address, given)).text();
    // What the caller gave is the caller's: it is neither changed nor, without need, copied.
    expect(given).toEqual(before);
    expect(seen[0]).toBe(address);
    const passed = seen[1] as RequestInit;
    if (sent === undefined) expect(passed).toBe(given);
    else {
      expect(passed.body).toBe(sent);
      expect(passed.headers).toBe(given.headers);
      expect(passed.signal).toBe(given.signal);
      expect(Object.keys(passed)).toEqual(Object.keys(given));
      expect(() => JSON.parse(sent)).not.toThrow();
    }
  });
});
