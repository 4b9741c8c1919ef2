import { anthropicChunks, converseAnswer, converseEvents } from "../../servers/bedrock-frames.ts";

/** The model that the examples ask for. */
export const MODEL = "example-model";

/** A request of one wire format, and what the vendor answers: made up, in the shape of the vendor's documents. */
export interface Example {
  readonly request: object;
  /** The request with which the answer is a stream, where its path does not say that; the same when absent. */
  readonly streamed?: object;
  /** The whole answer; 11 tokens in, and 7 out where the format has output. */
  readonly answer: object;
  /** The same as a stream; absent for a format that has none. */
  readonly stream?: string | Uint8Array;
  /** What a GET of it answers. */
  readonly retrieved?: object;
}

const sse = (...events: readonly (object | string)[]): string =>
  events.map((event) => `data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`).join("");

const named = (...events: readonly { readonly type: string; readonly [key: string]: unknown }[]): string =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");

const messages = [{ role: "user", content: "Hi" }];

const chatUsage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
const chunk = (delta: object, finish: string | null) => ({
  id: "chat-1",
  object: "chat.completion.chunk",
  model: MODEL,
  choices: [{ index: 0, delta, finish_reason: finish }],
});

const response = (fields: object) => ({
  id: "resp_1",
  object: "response",
  model: MODEL,
  status: "completed",
  output: [{ type: "message", content: [{ type: "output_text", text: "Hello." }] }],
  usage: { input_tokens: 11, output_tokens: 7, total_tokens: 18 },
  ...fields,
});

const message = { id: "msg_1", type: "message", role: "assistant", model: MODEL };

const converseUsage = { inputTokens: 11, outputTokens: 7, totalTokens: 18 };

const generated = (fields: object) => ({
  candidates: [{ content: { role: "model", parts: [{ text: "Hello." }] }, ...fields }],
  usageMetadata: { promptTokenCount: 11, candidatesTokenCount: 7, totalTokenCount: 18 },
  modelVersion: MODEL,
  responseId: "gen-1",
});

/** One for each wire format, by its name. */
export const EXAMPLES: Readonly<Record<string, Example>> = {
  "anthropic-messages": {
    request: { model: MODEL, max_tokens: 100, messages },
    streamed: { model: MODEL, max_tokens: 100, messages, stream: true },
    answer: {
      ...message,
      content: [{ type: "text", text: "Hello." }],
      stop_reason: "end_turn",
      usage: { input_tokens: 11, output_tokens: 7 },
    },
    stream: named(
      {
        type: "message_start",
        message: { ...message, content: [], stop_reason: null, usage: { input_tokens: 11, output_tokens: 1 } },
      },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hello." } },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 7 } },
      { type: "message_stop" },
    ),
  },
  "bedrock-converse": {
    request: { messages: [{ role: "user", content: [{ text: "Hi" }] }] },
    answer: converseAnswer("Hello.", converseUsage),
    stream: Buffer.concat(converseEvents(["Hello."], converseUsage)),
  },
  "bedrock-invoke": {
    request: { anthropic_version: "bedrock-2023-05-31", max_tokens: 100, messages },
    answer: {
      ...message,
      content: [{ type: "text", text: "Hello." }],
      stop_reason: "end_turn",
      usage: { input_tokens: 11, output_tokens: 7 },
    },
    stream: Buffer.concat(anthropicChunks(MODEL, ["Hello."], { input_tokens: 11 }, 7)),
  },
  "google-generate": {
    request: { contents: [{ role: "user", parts: [{ text: "Hi" }] }] },
    answer: generated({ finishReason: "STOP" }),
    stream: sse(generated({}), generated({ finishReason: "STOP" })),
  },
  "openai-chat": {
    request: { model: MODEL, messages },
    streamed: { model: MODEL, messages, stream: true, stream_options: { include_usage: true } },
    answer: {
      id: "chat-1",
      object: "chat.completion",
      model: MODEL,
      choices: [{ index: 0, message: { role: "assistant", content: "Hello." }, finish_reason: "stop" }],
      usage: chatUsage,
    },
    stream: sse(
      chunk({ role: "assistant", content: "Hello." }, null),
      chunk({}, "stop"),
      { id: "chat-1", object: "chat.completion.chunk", model: MODEL, choices: [], usage: chatUsage },
      "[DONE]",
    ),
  },
  "openai-embeddings": {
    request: { model: MODEL, input: "Hi" },
    answer: {
      object: "list",
      model: MODEL,
      data: [{ object: "embedding", index: 0, embedding: [0.5] }],
      usage: { prompt_tokens: 11, total_tokens: 11 },
    },
  },
  "openai-responses": {
    request: { model: MODEL, input: "Hi" },
    streamed: { model: MODEL, input: "Hi", stream: true },
    answer: response({}),
    stream: named(
      { type: "response.created", response: response({ status: "in_progress", output: [], usage: null }) },
      { type: "response.output_text.delta", item_id: "i", output_index: 0, content_index: 0, delta: "Hello." },
      { type: "response.completed", response: response({}) },
    ),
    retrieved: response({ background: true }),
  },
};
