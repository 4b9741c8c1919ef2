import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { createRuntime, type Runtime } from "../../src/process/runtime.ts";
import { needPython } from "../apps/python.ts";
import * as wire from "../servers/formats.ts";
import { type LitellmProxy, startLitellm } from "../servers/litellm-proxy.ts";
import { type ModelServer, type Script, startModelServer, type Visit } from "../servers/model-server.ts";

/** The first test installs. */
const LIMIT_MS = 20 * 60_000;
const messages = [{ role: "user", content: "What is a harbour?" }];
const TOKENS = { input: 1000, output: 500, cached: 400, reasoning: 200 };
const TEXT = "A place where ships lie at anchor.";

let vendor: ModelServer;
let folder: string;
let proxy: LitellmProxy | undefined;
let runtime: Runtime;
const calls: SettledCall[] = [];

beforeAll(async () => {
  vendor = await startModelServer();
  vendor.play(answerOf);
  folder = mkdtempSync(join(tmpdir(), "spendfuse-litellm-"));
  runtime = createRuntime(() => {});
  runtime.listeners.add((call) => calls.push(call));
  // With a budget there is a guard, which looks at errors.
  const budgets = [{ scope: { agent: "*" }, per: "hour" as const, usd: 1_000 }];
  await runtime.start({ telemetry: false, env: { SPENDFUSE_CONFIG: "{}" }, config: { budgets } });
});
afterAll(async () => {
  await runtime.stop();
  await proxy?.stop();
  await vendor.close();
  rmSync(folder, { recursive: true, force: true });
});

async function needProxy(context: TestContext): Promise<LitellmProxy> {
  proxy ??= await startLitellm(await needPython(context, "litellm"), folder, configOf(vendor.url));
  return proxy;
}

function configOf(url: string): object {
  const deployment = (model_name: string, model: string, more: object = {}) => ({
    model_name,
    litellm_params: {
      model,
      api_key: "k",
      api_base: model.startsWith("anthropic/") ? url : `${url}/v1`,
      ...more,
    },
  });
  const own = { input_cost_per_token: 1e-6, output_cost_per_token: 4e-6 };
  return {
    model_list: [
      deployment("gpt-5-mini", "openai/gpt-5-mini"),
      deployment("our-big-model", "openai/gpt-5-mini"),
      deployment("custom", "openai/gpt-5-mini", own),
      deployment("nobody-knows", "openai/in-house-llm-7b"),
      deployment("our-claude", "anthropic/claude-haiku-4-5"),
      deployment("claude-opus-4-5", "anthropic/claude-haiku-4-5"),
      deployment("text-embedding-3-small", "openai/text-embedding-3-small"),
      deployment("broken", "openai/broken", { max_retries: 0 }),
      deployment("flaky", "openai/broken", { max_retries: 0 }),
      deployment("quota", "openai/quota", { max_retries: 0 }),
    ],
    router_settings: { num_retries: 0, fallbacks: [{ flaky: ["gpt-5-mini"] }] },
    litellm_settings: {
      callbacks: "cost_log.cost_log",
      cache: true,
      cache_params: { type: "local", mode: "default_off" },
    },
  };
}

/** The vendor behind the proxy. */
function answerOf({ path, body }: Visit): Script {
  const { model, stream = false } = JSON.parse(body) as { model: string; stream?: boolean };
  const origin = { id: "r_1", model };
  if (model === "broken") return failing(500, { error: { message: "down", type: "server_error", code: null } });
  if (model === "quota") {
    const message = "You exceeded your current quota, please check your plan and billing details.";
    return failing(429, { error: { message, type: "insufficient_quota", param: null, code: "insufficient_quota" } });
  }
  if (path.endsWith("/embeddings")) {
    const usage = { prompt_tokens: 12, total_tokens: 12 };
    return wire.whole({ object: "list", model, data: [{ object: "embedding", index: 0, embedding: [0.5, 1] }], usage });
  }
  if (path.endsWith("/responses")) return responsesAnswer(origin, stream);
  if (path.endsWith("/messages")) return messagesAnswer(origin, stream);
  return chatAnswer(origin, stream);
}

const failing = (status: number, body: object): Script => ({ ...wire.whole(body), status });

function chatAnswer(origin: wire.Origin, stream: boolean): Script {
  const usage = wire.chatUsage(TOKENS);
  if (!stream) return wire.whole(wire.chatCompletion(origin, { role: "assistant", content: TEXT }, usage));
  return wire.streamed(
    ...TEXT.split(" ").map((word) => wire.chatDelta(origin, { content: `${word} ` })),
    wire.chatDelta(origin, {}, {}, "stop"),
    wire.chatChunk(origin, [], { usage }),
    wire.DONE,
  );
}

function responsesAnswer(origin: wire.Origin, stream: boolean): Script {
  const output = [wire.outputMessage("msg_1", TEXT)];
  const usage = wire.responsesUsage(TOKENS);
  const completed = wire.responseObject(origin, "completed", output, usage);
  if (!stream) return wire.whole(completed);
  return wire.streamed(
    ...wire.numbered([
      { type: "response.created", response: wire.responseObject(origin, "in_progress", [], null) } as never,
      ...wire.outputTextEvents("msg_1", 0, [TEXT]),
      { type: "response.completed", response: completed } as never,
    ]),
  );
}

function messagesAnswer(origin: wire.Origin, stream: boolean): Script {
  const usage = { input_tokens: 300, cache_read_input_tokens: 600, cache_creation_input_tokens: 100 };
  const text = { type: "text", text: TEXT };
  if (!stream) return wire.whole(wire.anthropicMessage(origin, [text], "end_turn", { ...usage, output_tokens: 200 }));
  return wire.streamed(
    wire.messageStart(wire.anthropicMessage(origin, [], null, { ...usage, output_tokens: 1 })),
    ...wire.contentBlock(0, { type: "text", text: "" }, [{ type: "text_delta", text: TEXT }]),
    wire.messageDelta({ output_tokens: 200 }),
    wire.MESSAGE_STOP,
  );
}

interface Sent {
  readonly call: SettledCall;
  readonly response: Response;
  readonly text: string;
}

async function send(
  at: LitellmProxy,
  path: string,
  request: object,
  as = (text: string): BodyInit => text,
): Promise<Sent> {
  const before = calls.length;
  const response = await runtime.wrapFetch(fetch)(`${at.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${at.key}` },
    body: as(JSON.stringify(request)),
  });
  const text = await response.text();
  await runtime.flush();
  return { call: calls[before] as SettledCall, response, text };
}

interface Case {
  readonly path?: string;
  readonly request: object;
  readonly as?: (text: string) => BodyInit;
  /** The same request was sent before, and may be answered from the cache. */
  readonly again?: boolean;
  readonly model?: string;
}

const chat = (model: string, more: object = {}) => ({ model, messages, ...more });
const stream = { stream: true };
const asked = { stream: true, stream_options: { include_usage: true } };
const kept = { cache: { "use-cache": true } };
const RESPONSES = "/v1/responses";
const MESSAGES = "/v1/messages";
const claude = (model: string, more: object = {}) => ({ model, max_tokens: 1000, messages, ...more });
const ask = (model: string, more: object = {}) => ({ model, input: "What is a harbour?", ...more });

/** In order: the first shows the gateway, so that the streams after it are asked for their usage. */
const CASES: Readonly<Record<string, Case>> = {
  chat: { request: chat("gpt-5-mini") },
  "chat, streamed": { request: chat("gpt-5-mini", stream) },
  "chat, streamed, asking": { request: chat("gpt-5-mini", asked) },
  "chat, streamed, as bytes": { request: chat("gpt-5-mini", stream), as: (text) => Buffer.from(text) },
  "chat, streamed, as a blob": { request: chat("gpt-5-mini", stream), as: (text) => new Blob([text]) },
  "an alias": { request: chat("our-big-model"), model: "gpt-5-mini" },
  "an alias, streamed": { request: chat("our-big-model", stream), model: "gpt-5-mini" },
  "a price of its own": { request: chat("custom") },
  "a price of its own, streamed": { request: chat("custom", stream) },
  "no price": { request: chat("nobody-knows"), model: "in-house-llm-7b" },
  "no price, streamed": { request: chat("nobody-knows", stream), model: "in-house-llm-7b" },
  "Claude by chat": { request: chat("our-claude"), model: "claude-haiku-4-5" },
  "Claude by chat, streamed": { request: chat("our-claude", stream), model: "claude-haiku-4-5" },
  responses: { path: RESPONSES, request: ask("gpt-5-mini") },
  "responses, streamed": { path: RESPONSES, request: ask("our-big-model", stream), model: "gpt-5-mini" },
  "responses with a price of its own, streamed": { path: RESPONSES, request: ask("custom", stream) },
  messages: { path: MESSAGES, request: claude("our-claude"), model: "claude-haiku-4-5" },
  "messages, streamed": { path: MESSAGES, request: claude("our-claude", stream), model: "claude-haiku-4-5" },
  "messages under another model's name, streamed": {
    path: MESSAGES,
    request: claude("claude-opus-4-5", stream),
    model: "claude-haiku-4-5",
  },
  embeddings: { path: "/v1/embeddings", request: { model: "text-embedding-3-small", input: "A harbour" } },
  "a fallback": { request: chat("flaky"), model: "gpt-5-mini" },
  "a fallback, streamed": { request: chat("flaky", stream), model: "gpt-5-mini" },
  "a miss of the cache": { request: chat("gpt-5-mini", kept) },
  "a hit of the cache": { request: chat("gpt-5-mini", kept), again: true },
  "a miss of the cache, streamed": { request: chat("our-big-model", { ...kept, ...stream }) },
  "a hit of the cache, streamed": { request: chat("our-big-model", { ...kept, ...stream }), again: true },
  "a miss of the cache by responses": { path: RESPONSES, request: ask("gpt-5-mini", { ...kept, ...stream }) },
  "a hit of the cache by responses": {
    path: RESPONSES,
    request: ask("gpt-5-mini", { ...kept, ...stream }),
    again: true,
  },
};

describe("LiteLLM's proxy", () => {
  let right = 0;

  test.for(Object.entries(CASES))(
    "%s: costs what its own log says",
    { timeout: LIMIT_MS },
    async ([, one], context) => {
      const at = await needProxy(context);
      const { path = "/v1/chat/completions", request, as, again = false, model } = one;
      const { call, response, text } = await send(at, path, request, as);
      expect(response.status, text).toBe(200);
      const { usd, hit } = await at.logged(response.headers.get("x-litellm-call-id") as string);
      expect(hit).toBe(again);
      expect(call).toMatchObject({ ending: "completed", quality: "reported" });
      if (model !== undefined) expect(call.model).toBe(model);
      if (again) expect(call.costUsd).toBe(0);
      else if (usd === null || usd === 0) expect(call.costUsd).toBeUndefined();
      else expect(call.costUsd).toBeCloseTo(usd, 9);
      const asksItself = "stream_options" in request;
      if (path.endsWith("/completions") && "stream" in request && !asksItself) expect(text).not.toContain('"usage"');
      right += 1;
    },
  );

  test("a vendor that is down costs nothing", async (context) => {
    const { call } = await send(await needProxy(context), "/v1/chat/completions", chat("broken"));
    expect(call).toMatchObject({ ending: "failed", priced: "none" });
    expect(call.costUsd).toBeUndefined();
    right += 1;
  });

  test("a vendor's used-up credit is final, and opens the key's circuit", async (context) => {
    const at = await needProxy(context);
    const { response } = await send(at, "/v1/chat/completions", chat("quota"));
    expect(response.status).toBe(429);
    expect(response.headers.get("x-should-retry")).toBe("false");
    const next = await send(at, "/v1/chat/completions", chat("quota"));
    expect(next.call.ending).toBe("blocked");
    right += 1;
  });

  afterAll(() => console.log(`LiteLLM by its own log: ${right} right of ${Object.keys(CASES).length + 2}`));
});
