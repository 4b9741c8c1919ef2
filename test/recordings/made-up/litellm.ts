import { data, event } from "../../servers/formats.ts";
import type { ProxyExchange } from "../litellm-exchanges.ts";

/** Exchanges in the shapes of a LiteLLM proxy of 1.108; the figures are ours, at the list prices of the models. */

const HEAD = {
  "x-litellm-call-id": "00000000-0000-4000-8000-000000000001",
  "x-litellm-version": "1.108.7",
  "x-litellm-model-group": "alias",
};
const SSE = "text/event-stream; charset=utf-8";
const MINI = { "x-litellm-model-name": "openai/gpt-5-mini" };
const HAIKU = { "x-litellm-model-name": "anthropic/claude-haiku-4-5" };
/** 2,000 at $0.25 and 100 at $2 a million. */
const MINI_USD = 0.0007;
/** 2,000 at $1 and 100 at $5 a million. */
const HAIKU_USD = 0.0025;
const messages = [{ role: "user", content: "Hi" }];

const chatUsage = (more: object = {}) => ({ prompt_tokens: 2000, completion_tokens: 100, total_tokens: 2100, ...more });
const responsesUsage = (more: object = {}) => ({ input_tokens: 2000, output_tokens: 100, total_tokens: 2100, ...more });

function chat(model: string): string {
  const choices = [{ finish_reason: "stop", index: 0, message: { content: "Hello", role: "assistant" } }];
  return JSON.stringify({
    id: "chatcmpl-1",
    created: 1,
    model,
    object: "chat.completion",
    choices,
    usage: chatUsage(),
  });
}

function chatStream(model: string, usage?: object): string {
  const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model };
  return [
    data({ ...head, choices: [{ index: 0, delta: { role: "assistant", content: "Hello" } }] }),
    data({ ...head, choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }),
    ...(usage === undefined ? [] : [data({ ...head, choices: [{ index: 0, delta: {} }], usage })]),
    "data: [DONE]\n\n",
  ].join("");
}

function responsesStream(model: string, usage: object): string {
  const response = { id: "resp_1", object: "response", model, output: [] };
  return [
    data({ type: "response.created", response: { ...response, status: "in_progress", usage: null } }),
    data({ type: "response.output_text.delta", delta: "Hello" }),
    data({ type: "response.completed", response: { ...response, status: "completed", usage } }),
    "data: [DONE]\n\n",
  ].join("");
}

function messagesStream(model: string, usage: object): string {
  const message = { id: "msg_1", type: "message", role: "assistant", model, content: [], stop_reason: null };
  return [
    event({ type: "message_start", message: { ...message, usage: { input_tokens: 2000, output_tokens: 1 } } }),
    event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hello" } }),
    event({ type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 100, ...usage } }),
    event({ type: "message_stop" }),
  ].join("");
}

const error = (message: string, type: string, code: string) =>
  JSON.stringify({ error: { message, type, param: null, code } });

type Row = Omit<ProxyExchange, "request" | "status" | "headers"> & {
  readonly request?: object;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
};

const CHAT = "/v1/chat/completions";
const asking = { stream: true, stream_options: { include_usage: true } };

const ROWS: readonly Row[] = [
  {
    case: "an alias",
    path: CHAT,
    headers: { ...MINI, "x-litellm-response-cost": String(MINI_USD) },
    response: chat("alias"),
    usd: MINI_USD,
  },
  {
    case: "a price of its own",
    path: CHAT,
    headers: { "x-litellm-model-name": "openai/in-house", "x-litellm-response-cost": "0.02" },
    response: chat("alias"),
    usd: 0.02,
  },
  {
    case: "no price",
    path: CHAT,
    headers: { "x-litellm-model-name": "openai/in-house", "x-litellm-response-cost-original": "0.0" },
    response: chat("gpt-5"),
    usd: "unknown",
  },
  {
    case: "a stream",
    path: CHAT,
    request: { stream: true },
    headers: { ...MINI, "x-litellm-response-cost-original": "0.0" },
    response: chatStream("alias"),
    usd: "estimate",
  },
  {
    case: "a stream with its usage",
    path: CHAT,
    request: asking,
    headers: { ...MINI, "x-litellm-response-cost-original": "0.5" },
    response: chatStream("alias", chatUsage({ cost: 0.03 })),
    usd: 0.03,
  },
  {
    case: "a cache hit",
    path: CHAT,
    headers: { ...MINI, "x-litellm-cache-key": "a6" },
    response: chat("alias"),
    usd: 0,
  },
  {
    case: "a cache hit that repeats the old cost",
    path: CHAT,
    request: asking,
    headers: { ...MINI, "x-litellm-cache-key": "a6" },
    response: chatStream("alias", chatUsage({ cost: 0.03 })),
    usd: 0,
  },
  {
    case: "a stream of Responses",
    path: "/v1/responses",
    request: { input: "Hi", stream: true },
    headers: MINI,
    response: responsesStream("alias", responsesUsage({ cost: 0.04 })),
    usd: 0.04,
  },
  {
    case: "a cache hit of Responses",
    path: "/v1/responses",
    request: { input: "Hi", stream: true },
    headers: { ...MINI, "x-litellm-cache-key": "a6" },
    response: responsesStream("alias", responsesUsage({ cost: 0.04 })),
    usd: 0,
  },
  {
    case: "a fallback of Messages, streamed",
    path: "/v1/messages",
    request: { model: "claude-opus-4-5", max_tokens: 100, stream: true },
    headers: HAIKU,
    response: messagesStream("claude-opus-4-5", {}),
    usd: HAIKU_USD,
  },
  {
    case: "Messages with the cost in their stream",
    path: "/v1/messages",
    request: { max_tokens: 100, stream: true },
    headers: HAIKU,
    response: messagesStream("alias", { input_tokens: 2000, cost: 0.05 }),
    usd: 0.05,
  },
  {
    case: "embeddings",
    path: "/v1/embeddings",
    request: { input: "Hi", messages: undefined },
    headers: { "x-litellm-model-name": "openai/text-embedding-3-small", "x-litellm-response-cost": "2.4e-07" },
    response: JSON.stringify({
      object: "list",
      model: "alias",
      data: [],
      usage: { prompt_tokens: 12, total_tokens: 12 },
    }),
    usd: 2.4e-7,
  },
  {
    case: "a key's budget",
    path: CHAT,
    status: 422,
    response: error("Budget has been exceeded! Current cost: 2, Max budget: 1", "budget_exceeded", "422"),
    usd: "free",
  },
  {
    case: "an error of a vendor",
    path: CHAT,
    status: 500,
    headers: { "x-litellm-response-cost": "0" },
    response: error("litellm.InternalServerError: OpenAIException - down", "internal_server_error", "500"),
    usd: "free",
  },
];

export const litellm: readonly ProxyExchange[] = ROWS.map(({ request, status = 200, headers, ...row }) => ({
  ...row,
  case: `made up: ${row.case}`,
  request: { model: "alias", messages, ...request },
  status,
  headers: {
    "content-type": row.response.startsWith("{") ? "application/json" : SSE,
    ...HEAD,
    ...headers,
  },
}));
