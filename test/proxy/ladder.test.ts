import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import * as wire from "../servers/formats.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { type Stage, startStage } from "./stage.ts";

const models = { "gpt-5": "gpt-5-mini", "claude-opus-4-8": "claude-sonnet-4-6", "gemini-2.5-flash": "flash-lite" };
const ROW = { name: "slow", scope: { agent: "*" }, per: "hour", calls: 1_000 };
const LADDER = { downgrade: { at: 0, models }, shorten: { at: 0, maxOutput: 50 } };
const CHAT = { model: "gpt-5", messages: [{ role: "user" as const, content: "Grüße" }] };
const CHAT_ANSWER = wire.chatCompletion(
  { id: "c1", model: "gpt-5-mini" },
  { content: "Hello" },
  wire.chatUsage({ input: 9, output: 3 }),
);
const MESSAGE = wire.anthropicMessage({ id: "m1", model: "claude-sonnet-4-6" }, [], "end_turn", {
  input_tokens: 9,
  output_tokens: 3,
});

let vendor: ModelServer;
let stage: Stage;
beforeAll(async () => {
  vendor = await startModelServer();
});
afterAll(() => vendor.close());
afterEach(() => stage.close());

async function open(ladder?: object): Promise<void> {
  stage = await startStage(vendor.url, { budgets: [{ ...ROW, ...(ladder && { ladder }) }] } as never);
}

const sent = () => vendor.visits.map(({ path, body }) => ({ path, ...JSON.parse(body) }));

test("OpenAI's SDK: the request is changed, and the answer says so", async () => {
  await open(LADDER);
  vendor.play(wire.whole(CHAT_ANSWER));
  const client = new OpenAI({ baseURL: `${stage.proxy.url}/openai/v1`, apiKey: "sk-test", maxRetries: 0 });
  const { data, response } = await client.chat.completions.create(CHAT).withResponse();
  expect(data.choices[0]?.message.content).toBe("Hello");
  expect(sent()).toEqual([{ path: "/v1/chat/completions", ...CHAT, model: "gpt-5-mini", max_completion_tokens: 50 }]);
  expect(response.headers.get("x-spendfuse-downgraded-from")).toBe("gpt-5");
  expect(response.headers.get("x-spendfuse-max-output")).toBe("50");
  expect(stage.settled).toMatchObject([
    { ending: "completed", changes: { budget: "slow", model: "gpt-5", maxOutput: 50 } },
  ]);
});

test("Anthropic's SDK likewise, and Gemini's model in the path", async () => {
  await open(LADDER);
  vendor.play(wire.whole(MESSAGE));
  const client = new Anthropic({ baseURL: `${stage.proxy.url}/anthropic`, apiKey: "sk-test", maxRetries: 0 });
  const message = { model: "claude-opus-4-8", max_tokens: 900, messages: CHAT.messages };
  const { response } = await client.messages.create(message).withResponse();
  expect(sent()).toEqual([{ path: "/v1/messages", ...message, model: "claude-sonnet-4-6", max_tokens: 50 }]);
  expect(response.headers.get("x-spendfuse-downgraded-from")).toBe("claude-opus-4-8");
  vendor.play({ headers: { "content-type": "application/json" }, steps: ["{}"] });
  const contents = [{ parts: [{ text: "Hi" }] }];
  await fetch(`${stage.proxy.url}/gemini/v1beta/models/gemini-2.5-flash:generateContent?x=1`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ contents }),
  });
  const path = "/v1beta/models/flash-lite:generateContent?x=1";
  expect(sent()).toEqual([{ path, contents, generationConfig: { maxOutputTokens: 50 } }]);
});

test("without a rung, and where the body is coded, it passes byte for byte; the latter is said", async () => {
  await open(LADDER);
  const { gzipSync } = await import("node:zlib");
  vendor.play({ headers: { "content-type": "application/json" }, steps: ["{}"] });
  const headers = { "content-type": "application/json" };
  const url = `${stage.proxy.url}/openai/v1/chat/completions`;
  const body = gzipSync(JSON.stringify(CHAT));
  await fetch(url, { method: "POST", headers: { ...headers, "content-encoding": "gzip" }, body });
  expect(vendor.visits[0]?.headers["content-length"]).toBe(String(body.length));
  expect(stage.said.filter((line) => line.includes("are sent as they are"))).toHaveLength(1);
  await stage.close();
  await open();
  vendor.play(wire.whole(CHAT_ANSWER));
  const text = `{ "model": "gpt-5",\n "messages": [{"role":"user","content":"Grüße"}] }`;
  const answer = await fetch(url.replace(/:\d+/, `:${new URL(stage.proxy.url).port}`), {
    method: "POST",
    headers,
    body: text,
  });
  expect(await answer.text()).toBe(JSON.stringify(CHAT_ANSWER));
  expect(vendor.visits.map(({ body: got }) => got)).toEqual([text]);
});

test("a client that goes away while it waits its turn is not served, and its call is never sent", async () => {
  await open({ throttle: { at: 0, every: "1h" } });
  vendor.play(wire.whole(CHAT_ANSWER));
  const url = `${stage.proxy.url}/openai/v1/chat/completions`;
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(CHAT) };
  await (await fetch(url, init)).text();
  await expect(fetch(url, { ...init, signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
    name: "TimeoutError",
  });
  expect(vendor.visits).toHaveLength(1);
});
