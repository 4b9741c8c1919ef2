import { describe, expect, test } from "vitest";
import { data, MESSAGE_STOP } from "../../servers/formats.ts";
import { type Answered, meterAnswer } from "./metered-answer.ts";

const HOST = "https://llm.example.com/v1";
/** Nobody has a price for it, so that a cost can only be the vendor's. */
const MODEL = "in-house-llm-9";
const messages = [{ role: "user", content: "Hi" }];

/** An answer of each format, whole and as a stream, with members in its usage report. */
const ANSWERS: Readonly<Record<string, (usage: object) => Answered>> = {
  chat: (usage) => ({
    url: `${HOST}/chat/completions`,
    request: { model: MODEL, messages },
    body: {
      id: "c1",
      model: MODEL,
      choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, ...usage },
    },
  }),
  "chat, streamed": (usage) => ({
    url: `${HOST}/chat/completions`,
    request: { model: MODEL, messages, stream: true, stream_options: { include_usage: true } },
    body: [
      data({ id: "c1", model: MODEL, choices: [{ index: 0, delta: { content: "Hello" }, finish_reason: null }] }),
      data({ id: "c1", model: MODEL, choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }),
      data({ id: "c1", model: MODEL, choices: [], usage: { prompt_tokens: 10, completion_tokens: 5, ...usage } }),
      "data: [DONE]\n\n",
    ],
  }),
  responses: (usage) => ({
    url: `${HOST}/responses`,
    request: { model: MODEL, input: "Hi" },
    body: responseOf(usage),
  }),
  "responses, streamed": (usage) => ({
    url: `${HOST}/responses`,
    request: { model: MODEL, input: "Hi", stream: true },
    body: [
      data({ type: "response.created", response: { ...responseOf({}), status: "in_progress", usage: null } }),
      data({ type: "response.output_text.delta", delta: "Hello" }),
      data({ type: "response.completed", response: responseOf(usage) }),
    ],
  }),
  messages: (usage) => ({
    url: `${HOST}/messages`,
    request: { model: MODEL, max_tokens: 10, messages },
    body: {
      ...messageOf(),
      content: [{ type: "text", text: "Hello" }],
      stop_reason: "end_turn",
      usage: { input_tokens: 10, output_tokens: 5, ...usage },
    },
  }),
  "messages, streamed": (usage) => ({
    url: `${HOST}/messages`,
    request: { model: MODEL, max_tokens: 10, messages, stream: true },
    body: [
      data({ type: "message_start", message: { ...messageOf(), usage: { input_tokens: 10, output_tokens: 1 } } }),
      data({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hello" } }),
      data({ type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 5, ...usage } }),
      MESSAGE_STOP,
    ],
  }),
  embeddings: (usage) => ({
    url: `${HOST}/embeddings`,
    request: { model: MODEL, input: "Hi" },
    body: { object: "list", model: MODEL, data: [], usage: { prompt_tokens: 10, total_tokens: 10, ...usage } },
  }),
  Gemini: (usage) => ({
    url: `${HOST}/models/${MODEL}:generateContent`,
    request: { contents: [{ role: "user", parts: [{ text: "Hi" }] }] },
    body: geminiOf(usage),
  }),
  "Gemini, streamed": (usage) => ({
    url: `${HOST}/models/${MODEL}:streamGenerateContent`,
    request: { contents: [{ role: "user", parts: [{ text: "Hi" }] }] },
    body: [data(geminiOf(usage))],
  }),
};

function responseOf(usage: object): object {
  return {
    id: "resp_1",
    object: "response",
    model: MODEL,
    status: "completed",
    output: [{ type: "message", content: [{ type: "output_text", text: "Hello" }] }],
    usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15, ...usage },
  };
}

function messageOf(): object {
  return { id: "msg_1", type: "message", role: "assistant", model: MODEL, content: [], stop_reason: null };
}

function geminiOf(usage: object): object {
  return {
    responseId: "r1",
    modelVersion: MODEL,
    candidates: [{ content: { parts: [{ text: "Hello" }] }, finishReason: "STOP" }],
    usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, ...usage },
  };
}

/** Forms in which vendors write a cost, and USD. */
const FORMS: Readonly<Record<string, readonly [usage: object, usd: number]>> = {
  "a number": [{ cost: 0.0274 }, 0.0274],
  "numeric text": [{ cost: "0.0274" }, 0.0274],
  "a small number in text": [{ cost: "1.1e-05" }, 0.000011],
  "an object with its total": [
    { cost: { input_tokens_cost: 0.0002, output_tokens_cost: 0.0021, request_cost: 0.006, total_cost: 0.0083 } },
    0.0083,
  ],
  "an object with its total in text": [{ cost: { total_cost: "0.0083" } }, 0.0083],
  ticks: [{ cost_in_usd_ticks: 37_756_000 }, 0.0037756],
  "ticks in text": [{ cost_in_usd_ticks: "37756000" }, 0.0037756],
  "an estimate of the host": [{ estimated_cost: 0.0000268 }, 0.0000268],
  "a nothing first": [{ cost: null, total_cost: 0.01 }, 0.01],
  "with a key of one's own": [
    { cost: 0.0001, is_byok: true, cost_details: { upstream_inference_cost: 0.003 } },
    0.0031,
  ],
  "with a key of one's own, without a fee": [
    { cost: 0, is_byok: true, cost_details: { upstream_inference_cost: 0.003 } },
    0.003,
  ],
  "with a key of one's own, in parts": [
    {
      cost: 0,
      is_byok: true,
      cost_details: {
        upstream_inference_cost: null,
        upstream_inference_input_cost: 0.001,
        upstream_inference_output_cost: 0.002,
      },
    },
    0.003,
  ],
};

describe.each(Object.entries(ANSWERS))("%s", (_format, answer) => {
  test.each(Object.entries(FORMS))("a cost as %s wins, of a model without a price too", async (_form, [usage, usd]) => {
    const { call } = await meterAnswer(answer(usage));
    expect(call).toMatchObject({ quality: "reported", costSource: "provider", priced: "true" });
    expect(call.costUsd).toBeCloseTo(usd, 12);
    const prices = [{ model: MODEL, inputPerMTok: 1_000, outputPerMTok: 1_000 }];
    expect((await meterAnswer(answer(usage), { prices })).call.costUsd).toBeCloseTo(usd, 12);
  });

  test("of another currency, zero, or only the fee for a key of one's own, is no cost", async () => {
    for (const usage of [
      { cost: 0 },
      { cost: "0.00" },
      { cost: { currency: "EUR", total: 1 } },
      { cost_in_usd_ticks: 0 },
      { cost: 0.0001, is_byok: true },
    ]) {
      expect((await meterAnswer(answer(usage))).call).toMatchObject({ quality: "reported", priced: "false" });
    }
  });
});

describe("Vercel's gateway", () => {
  const gateway = { cost: "0.0042", marketCost: "0.0042", generationId: "gen_1" };
  const usage = { prompt_tokens: 10, completion_tokens: 5 };
  const url = "https://ai-gateway.vercel.sh/v1/chat/completions";
  const request = { model: "openai/nobody-knows", messages, stream: true };

  test.each([
    ["in the message", { choices: [{ message: { content: "Hello", provider_metadata: { gateway } } }], usage }],
    ["beside the answer", { choices: [{ message: { content: "Hello" } }], usage, provider_metadata: { gateway } }],
    ["as its SDK writes it", { choices: [{ message: { content: "Hello" } }], usage, providerMetadata: { gateway } }],
    [
      "in a delta",
      [
        data({ choices: [{ delta: { content: "Hello", provider_metadata: { gateway } } }] }),
        data({ choices: [], usage }),
      ],
    ],
  ])("says the cost %s", async (_where, body) => {
    const { call } = await meterAnswer({ url, request, body });
    expect(call).toMatchObject({ provider: "vercel", costUsd: 0.0042, costSource: "provider" });
  });
});

test("UiPath's gateway says the cost beside the answer", async () => {
  const answered = ANSWERS.messages?.({}) as Answered;
  const body = { ...(answered.body as object), associated_dollar_cost: 0.0042 };
  expect((await meterAnswer({ ...answered, body })).call).toMatchObject({ costUsd: 0.0042, costSource: "provider" });
});

test("a stream that broke off after its last report is estimated, whatever it said before", async () => {
  const prices = [{ model: MODEL, inputPerMTok: 1, outputPerMTok: 1 }];
  const usage = { prompt_tokens: 10, completion_tokens: 1, cost: 0.0001 };
  const body = [
    data({ id: "c1", model: MODEL, choices: [{ delta: { content: "H" } }], usage }),
    data({ id: "c1", model: MODEL, choices: [{ delta: { content: "ello, and a long answer".repeat(50) } }] }),
  ];
  const request = { model: MODEL, messages, stream: true, stream_options: { include_usage: true } };
  const { call } = await meterAnswer({ url: `${HOST}/chat/completions`, request, body }, { prices });
  expect(call).toMatchObject({ ending: "failed", quality: "estimated", costSource: "local" });
  expect(call.costUsd).toBeGreaterThan(0.0002);
});
