import { type Exchange, type Recording, stream, whole } from "../exchange.ts";

const FORMAT = "openai-chat";
const OPENAI = "https://api.openai.com/v1/chat/completions";
const PROMPT = [{ role: "user", content: "Where does the river Lune meet the sea?" }];
const CREATED = 1_790_000_000;

const parameters = { type: "object", properties: { town: { type: "string" } }, required: ["town"] };
const tools = [{ type: "function", function: { name: "tide_table", description: "Tides of a town", parameters } }];

interface Counts {
  readonly prompt: number;
  readonly completion: number;
  readonly cached?: number;
  readonly written?: number;
  readonly reasoning?: number;
}

function usageOf({ prompt, completion, cached = 0, written, reasoning = 0 }: Counts): object {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: {
      cached_tokens: cached,
      audio_tokens: 0,
      ...(written !== undefined && { cache_write_tokens: written }),
    },
    completion_tokens_details: { reasoning_tokens: reasoning, audio_tokens: 0, accepted_prediction_tokens: 0 },
  };
}

function completion(model: string, message: object, usage: object | undefined, finish = "stop"): object {
  const choice = { index: 0, message: { role: "assistant", refusal: null, ...message }, logprobs: null };
  return {
    ...{ id: "chatcmpl-made-up", object: "chat.completion", created: CREATED, model, service_tier: "default" },
    choices: [{ ...choice, finish_reason: finish }],
    ...(usage && { usage }),
  };
}

/** A frame of a stream. `usage` is null in all but the last, as for those who asked for it. */
function chunk(model: string, choices: readonly object[], more: object = { usage: null }): string {
  const head = { id: "chatcmpl-made-up", object: "chat.completion.chunk", created: CREATED, model };
  return `data: ${JSON.stringify({ ...head, service_tier: "default", choices, ...more })}\n\n`;
}

const choice = (delta: object, finish: string | null = null, index = 0) => ({
  ...{ index, delta, logprobs: null },
  finish_reason: finish,
});
const DONE = "data: [DONE]\n\n";

interface Told {
  readonly model: string;
  readonly words: readonly string[];
  readonly usage?: object;
  readonly finish?: string;
  /** The member of a delta that carries the words. */
  readonly key?: string;
}

function told({ model, words, usage, finish = "stop", key = "content" }: Told): readonly string[] {
  return [
    chunk(model, [choice({ role: "assistant", content: "", refusal: null })]),
    ...words.map((word, at) => chunk(model, [choice({ [key]: word })], { usage: null, obfuscation: "x".repeat(at) })),
    chunk(model, [choice({}, finish)]),
    ...(usage ? [chunk(model, [], { usage })] : []),
    DONE,
  ];
}

const asking = (model: string, more: object = {}) => ({ model, messages: PROMPT, ...more });
const streaming = (model: string, more: object = {}) =>
  asking(model, { stream: true, stream_options: { include_usage: true }, ...more });
const at = (uri: string, request: object, usage?: Exchange["usage"], status = 200): Exchange => ({
  ...{ uri, request, status },
  ...(usage && { usage }),
});

const WORDS = ["The", " river", " meets", " the", " sea", " near", " Sunderland", " Point", "."];
const GPT = "gpt-4o-2024-08-06";
const call = (index: number, name: string | undefined, args: string) => ({
  tool_calls: [
    {
      index,
      ...(name !== undefined && { id: `call_${index}`, type: "function" }),
      function: { ...(name !== undefined && { name }), arguments: args },
    },
  ],
});

const WHOLE: readonly Recording[] = [
  whole(
    FORMAT,
    "whole",
    at(OPENAI, asking("gpt-4o"), { input: 17, output: 9 }),
    completion(GPT, { content: WORDS.join("") }, usageOf({ prompt: 17, completion: 9 })),
  ),
  whole(
    FORMAT,
    "whole, tools",
    at(OPENAI, asking("gpt-4o", { tools }), { input: 61, output: 18 }),
    completion(
      GPT,
      {
        content: null,
        tool_calls: [
          { id: "call_0", type: "function", function: { name: "tide_table", arguments: '{"town":"Heysham"}' } },
        ],
      },
      usageOf({ prompt: 61, completion: 18 }),
      "tool_calls",
    ),
  ),
  whole(
    FORMAT,
    "whole, cache and reasoning",
    at(OPENAI, asking("gpt-5"), { input: 3000, output: 420, cacheRead: 2048, cacheWrite: 512, reasoning: 384 }),
    completion(
      "gpt-5-2025-08-07",
      { content: "At Sunderland Point." },
      usageOf({ prompt: 3000, completion: 420, cached: 2048, written: 512, reasoning: 384 }),
    ),
  ),
  whole(
    FORMAT,
    "whole, ended by the limit",
    at(OPENAI, asking("gpt-4o", { max_tokens: 4 }), { input: 17, output: 4 }),
    completion(GPT, { content: "The river meets" }, usageOf({ prompt: 17, completion: 4 }), "length"),
  ),
  whole(
    FORMAT,
    "whole, refused by the model",
    at(OPENAI, asking("gpt-4o"), { input: 17, output: 6 }),
    completion(GPT, { content: null, refusal: "I cannot say where." }, usageOf({ prompt: 17, completion: 6 })),
  ),
  whole(
    FORMAT,
    "whole, without usage",
    at(OPENAI, asking("gpt-4o")),
    completion(GPT, { content: "By the sea." }, undefined),
  ),
  whole(FORMAT, "error, bad request", at(OPENAI, asking("gpt-4o", { temperature: 9 }), undefined, 400), {
    error: { message: "Invalid temperature", type: "invalid_request_error", param: "temperature", code: null },
  }),
  whole(FORMAT, "error, rate limit", at(OPENAI, asking("gpt-4o"), undefined, 429), {
    error: { message: "Rate limit reached", type: "requests", param: null, code: "rate_limit_exceeded" },
  }),
];

/** Hosts that speak the format with an accent. */
const ACCENTS: readonly Recording[] = [
  whole(
    FORMAT,
    "xAI, reasoning beside the completion",
    at("https://api.x.ai/v1/chat/completions", asking("grok-4"), { input: 40, output: 310, reasoning: 290 }),
    completion(
      "grok-4-0709",
      { content: "At Sunderland Point." },
      {
        ...{ prompt_tokens: 40, completion_tokens: 20, total_tokens: 350 },
        ...{ prompt_tokens_details: { cached_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 290 } },
      },
    ),
  ),
  whole(
    FORMAT,
    "DeepSeek, cache hits",
    at("https://api.deepseek.com/chat/completions", asking("deepseek-chat"), {
      input: 900,
      output: 30,
      cacheRead: 640,
    }),
    completion(
      "deepseek-chat",
      { content: "At Sunderland Point." },
      {
        ...{ prompt_tokens: 900, completion_tokens: 30, total_tokens: 930 },
        ...{ prompt_cache_hit_tokens: 640, prompt_cache_miss_tokens: 260 },
      },
    ),
  ),
  whole(
    FORMAT,
    "Mistral, thinking as parts",
    at("https://api.mistral.ai/v1/chat/completions", asking("magistral-medium-latest"), { input: 25, output: 44 }),
    completion(
      "magistral-medium-latest",
      {
        content: [
          { type: "thinking", thinking: [{ type: "text", text: "A river of Lancashire." }] },
          { type: "text", text: "At Sunderland Point." },
        ],
      },
      { prompt_tokens: 25, completion_tokens: 44, total_tokens: 69 },
    ),
  ),
  whole(
    FORMAT,
    "OpenRouter, with its own cost",
    at("https://openrouter.ai/api/v1/chat/completions", asking("openai/gpt-4o"), { input: 17, output: 9 }),
    completion(
      "openai/gpt-4o",
      { content: WORDS.join("") },
      { ...usageOf({ prompt: 17, completion: 9 }), cost: 0.000132, is_byok: false },
    ),
  ),
  stream(
    FORMAT,
    "Groq, usage in its own member",
    at("https://api.groq.com/openai/v1/chat/completions", asking("llama-3.3-70b-versatile", { stream: true }), {
      ...{ input: 42, output: 9 },
    }),
    [
      ...WORDS.map((word) => chunk("llama-3.3-70b-versatile", [choice({ content: word })], {})),
      chunk("llama-3.3-70b-versatile", [choice({}, "stop")], {
        x_groq: { id: "req_made_up", usage: { prompt_tokens: 42, completion_tokens: 9, total_tokens: 51 } },
      }),
      DONE,
    ],
  ),
  stream(
    FORMAT,
    "DeepSeek, reasoning in the stream",
    at("https://api.deepseek.com/chat/completions", streaming("deepseek-reasoner"), {
      ...{ input: 20, output: 26, reasoning: 15 },
    }),
    [
      ...told({
        model: "deepseek-reasoner",
        key: "reasoning_content",
        words: ["A", " river", " of", " Lancashire"],
      }).slice(0, -2),
      ...WORDS.map((word) => chunk("deepseek-reasoner", [choice({ content: word })])),
      chunk("deepseek-reasoner", [choice({}, "stop")], {
        usage: usageOf({ prompt: 20, completion: 26, reasoning: 15 }),
      }),
      DONE,
    ],
  ),
];

const STREAMS: readonly Recording[] = [
  stream(
    FORMAT,
    "stream",
    at(OPENAI, streaming("gpt-4o"), { input: 17, output: 9 }),
    told({ model: GPT, words: WORDS, usage: usageOf({ prompt: 17, completion: 9 }) }),
  ),
  stream(FORMAT, "stream, tools", at(OPENAI, streaming("gpt-4o", { tools }), { input: 61, output: 23 }), [
    chunk(GPT, [choice({ role: "assistant", content: null })]),
    chunk(GPT, [choice(call(0, "tide_table", ""))]),
    ...['{"town', '":"', "Hey", "sham", '"}'].map((part) => chunk(GPT, [choice(call(0, undefined, part))])),
    chunk(GPT, [choice({}, "tool_calls")]),
    chunk(GPT, [], { usage: usageOf({ prompt: 61, completion: 23 }) }),
    DONE,
  ]),
  stream(
    FORMAT,
    "stream, cache and hidden reasoning",
    at(OPENAI, streaming("gpt-5"), { input: 3000, output: 393, cacheRead: 2816, reasoning: 384 }),
    told({
      model: "gpt-5-2025-08-07",
      words: WORDS,
      usage: usageOf({ prompt: 3000, completion: 393, cached: 2816, reasoning: 384 }),
    }),
  ),
  stream(
    FORMAT,
    "stream, ended by the limit",
    at(OPENAI, streaming("gpt-4o", { max_tokens: 4 }), { input: 17, output: 4 }),
    told({
      ...{ model: GPT, words: WORDS.slice(0, 4), finish: "length" },
      usage: usageOf({ prompt: 17, completion: 4 }),
    }),
  ),
  stream(
    FORMAT,
    "stream, letters of many bytes and escapes",
    at(OPENAI, streaming("gpt-4o"), { input: 17, output: 31 }),
    told({
      model: GPT,
      words: ["Größe", " 川は海へ", ' "quoted"', " back\\slash", "\n\ttab", " 🌊"],
      usage: usageOf({ prompt: 17, completion: 31 }),
    }),
  ),
  stream(FORMAT, "stream, nobody asked for usage", at(OPENAI, asking("gpt-4o", { stream: true, stream_options: {} })), [
    ...WORDS.map((word) => chunk(GPT, [choice({ content: word })], {})),
    chunk(GPT, [choice({}, "stop")], {}),
    DONE,
  ]),
  stream(FORMAT, "stream, broken by an error", at(OPENAI, streaming("gpt-4o")), [
    ...told({ model: GPT, words: WORDS }).slice(0, 5),
    `data: ${JSON.stringify({ error: { message: "The server had an error", type: "server_error", param: null, code: null } })}\n\n`,
  ]),
];

export const OPENAI_CHAT: readonly Recording[] = [...WHOLE, ...ACCENTS, ...STREAMS];
