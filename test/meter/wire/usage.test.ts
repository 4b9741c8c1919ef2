import { afterEach, describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import { createRuntime, type Runtime } from "../../../src/process/runtime.ts";

// What vendors write into `usage`, and what it means. Each is a whole answer through the fetch hook.

let runtime: Runtime | undefined;
afterEach(() => runtime?.stop());

async function settled(uri: string, request: object, body: object): Promise<SettledCall> {
  runtime = createRuntime(() => {});
  const calls: SettledCall[] = [];
  runtime.listeners.add((call) => calls.push(call));
  const fetch = runtime.wrapFetch(async () => Response.json(body));
  await (await fetch(uri, { method: "POST", body: JSON.stringify(request) })).json();
  await runtime.flush();
  expect(calls).toHaveLength(1);
  return calls[0] as SettledCall;
}

const messages = [{ role: "user", content: "Hi" }];
const chat = (host: string, usage: object) =>
  settled(
    `https://${host}/v1/chat/completions`,
    { model: "m", messages },
    { id: "1", model: "m", choices: [{ index: 0, message: { content: "Hello" }, finish_reason: "stop" }], usage },
  );

describe("whether the completion of a chat contains the reasoning", () => {
  const details = { completion_tokens_details: { reasoning_tokens: 30 } };

  test.each<[string, string, object, number]>([
    ["the total says that it does", "api.openai.com", { completion_tokens: 40, total_tokens: 50 }, 40],
    ["the total says that it does not", "api.openai.com", { completion_tokens: 40, total_tokens: 80 }, 70],
    ["no total, of OpenAI", "api.openai.com", { completion_tokens: 40 }, 40],
    ["no total, of xAI", "api.x.ai", { completion_tokens: 10 }, 40],
    ["xAI, and the total says that it does", "api.x.ai", { completion_tokens: 40, total_tokens: 50 }, 40],
    ["xAI, and the total says that it does not", "api.x.ai", { completion_tokens: 10, total_tokens: 50 }, 40],
    ["a total that is something else", "api.openai.com", { completion_tokens: 40, total_tokens: 999 }, 40],
    ["xAI, a total that is something else", "api.x.ai", { completion_tokens: 40, total_tokens: 999 }, 40],
  ])("%s", async (_name, host, counts, output) => {
    const { usage, quality } = await chat(host, { prompt_tokens: 10, ...counts, ...details });
    expect(quality).toBe("reported");
    expect(usage).toMatchObject({ input: 10, output, reasoning: 30 });
  });
});

describe("where a chat says what came from a cache", () => {
  test.each<[string, object, object]>([
    [
      "OpenAI",
      { prompt_tokens_details: { cached_tokens: 60, cache_write_tokens: 10 } },
      { cacheRead: 60, cacheWrite: 10 },
    ],
    ["Mistral, once", { prompt_token_details: { cached_tokens: 60 } }, { cacheRead: 60, cacheWrite: 0 }],
    ["Mistral, twice", { num_cached_tokens: 60 }, { cacheRead: 60 }],
    ["others", { cached_tokens: 60 }, { cacheRead: 60 }],
    ["DeepSeek", { prompt_cache_hit_tokens: 60 }, { cacheRead: 60 }],
    [
      "Anthropic's names",
      { cache_read_input_tokens: 60, cache_creation_input_tokens: 7 },
      { cacheRead: 60, cacheWrite: 7 },
    ],
    [
      "two of them: the first is trusted",
      { prompt_tokens_details: { cached_tokens: 0 }, cached_tokens: 60 },
      { cacheRead: 0 },
    ],
    [
      "more than the prompt: it is beside it",
      { prompt_tokens_details: { cached_tokens: 130 } },
      { input: 230, cacheRead: 130 },
    ],
    [
      "as much as the prompt: it is all of it",
      { prompt_tokens_details: { cached_tokens: 100 } },
      { input: 100, cacheRead: 100 },
    ],
  ])("%s", async (_name, places, expected) => {
    const { usage } = await chat("api.openai.com", { prompt_tokens: 100, completion_tokens: 5, ...places });
    expect(usage).toMatchObject({ input: 100, output: 5, ...expected });
  });
});

describe("what OpenRouter says that it charged", () => {
  test.each<[string, object, number | undefined]>([
    ["its own price", { cost: 0.25 }, 0.25],
    [
      "with details that are in it",
      { cost: 0.25, is_byok: false, cost_details: { upstream_inference_cost: 0.2 } },
      0.25,
    ],
    [
      "with the caller's key: the fee, and what the vendor takes",
      { cost: 0.01, is_byok: true, cost_details: { upstream_inference_cost: 0.2 } },
      0.21,
    ],
    ["with the caller's key, and the vendor's charge is not reported", { cost: 0.01, is_byok: true }, undefined],
    ["zero is no proof of free", { cost: 0 }, undefined],
  ])("%s", async (_name, more, costUsd) => {
    const call = await chat("openrouter.ai/api", { prompt_tokens: 10, completion_tokens: 5, ...more });
    if (costUsd === undefined) expect(call.costSource).not.toBe("provider");
    else expect(call).toMatchObject({ costSource: "provider", costUsd: expect.closeTo(costUsd, 9) });
  });
});

describe("Anthropic's reports in parts", () => {
  const claude = { model: "claude-sonnet-5", max_tokens: 9, messages };
  const message = (usage: object) =>
    settled("https://api.anthropic.com/v1/messages", claude, {
      ...{ id: "m", type: "message", model: "claude-sonnet-5", content: [{ type: "text", text: "Hi" }] },
      ...{ stop_reason: "end_turn", usage },
    });

  test.each<[string, object, object]>([
    [
      "input is what no cache has",
      { input_tokens: 10, cache_read_input_tokens: 100, cache_creation_input_tokens: 30 },
      { input: 140, cacheRead: 100, cacheWrite: 30, cacheWrite1h: 0 },
    ],
    [
      "an hour's writes are among the writes",
      {
        input_tokens: 10,
        cache_creation_input_tokens: 30,
        cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
      },
      { input: 40, cacheWrite: 30, cacheWrite1h: 20 },
    ],
    [
      "the split alone",
      { input_tokens: 10, cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 } },
      { input: 40, cacheWrite: 30, cacheWrite1h: 20 },
    ],
    [
      "null is nothing",
      { input_tokens: 10, cache_read_input_tokens: null, cache_creation: null },
      { input: 10, cacheRead: 0, cacheWrite: 0 },
    ],
    [
      "searches and thinking",
      { input_tokens: 10, output_tokens_details: { thinking_tokens: 4 }, server_tool_use: { web_search_requests: 2 } },
      { reasoning: 4, webSearches: 2 },
    ],
  ])("%s", async (_name, usage, expected) => {
    expect((await message({ output_tokens: 7, ...usage })).usage).toMatchObject({ output: 7, ...expected });
  });
});

describe("the turns of an Anthropic call", () => {
  const turn = (type: string, model: string, output: number) => ({
    type,
    model,
    input_tokens: 100,
    output_tokens: output,
  });
  const answered = (output: number, ...iterations: object[]) =>
    settled(
      "https://api.anthropic.com/v1/messages",
      { model: "claude-opus-4-8", max_tokens: 100, messages },
      {
        id: "msg_1",
        type: "message",
        role: "assistant",
        model: "claude-opus-4-8",
        content: [{ type: "text", text: "Hello" }],
        stop_reason: "end_turn",
        usage: { input_tokens: 100, output_tokens: output, iterations },
      },
    );

  test.each<[string, number, object[], { readonly model: string; readonly output: number }[] | undefined]>([
    ["one of its own", 50, [turn("message", "claude-opus-4-8", 50)], undefined],
    [
      "an advisor beside it is of another model",
      50,
      [turn("message", "claude-opus-4-8", 50), turn("advisor_message", "claude-haiku-4-5", 20)],
      [{ model: "claude-haiku-4-5", output: 20 }],
    ],
    [
      "a fallback that the figures contain",
      70,
      [turn("message", "claude-opus-4-8", 50), turn("fallback_message", "claude-sonnet-4-6", 20)],
      undefined,
    ],
    [
      "a fallback that they do not contain",
      50,
      [turn("message", "claude-opus-4-8", 50), turn("fallback_message", "claude-sonnet-4-6", 20)],
      [{ model: "claude-sonnet-4-6", output: 20 }],
    ],
  ])("%s", async (_name, output, iterations, others) => {
    const call = await answered(output, ...iterations);
    expect(call.usage?.output).toBe(output);
    expect(call.otherModels?.map(({ model, usage }) => ({ model, output: usage.output }))).toEqual(others);
  });
});
