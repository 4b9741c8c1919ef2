import { type Exchange, type Recording, stream, whole } from "../exchange.ts";

const FORMAT = "anthropic-messages";
const URI = "https://api.anthropic.com/v1/messages";
const messages = [{ role: "user", content: "Where does the river Lune meet the sea?" }];
const input_schema = { type: "object", properties: { town: { type: "string" } }, required: ["town"] };
const tools = [{ name: "tide_table", description: "Tides of a town", input_schema }];

interface Counts {
  readonly input: number;
  readonly output: number;
  readonly read?: number;
  readonly written5m?: number;
  readonly written1h?: number;
  readonly thinking?: number;
  readonly searches?: number;
}

/** `input_tokens` is only what was neither read from a cache nor written to one. */
function usageOf({ input, output, read = 0, written5m = 0, written1h = 0, thinking, searches }: Counts): object {
  return {
    input_tokens: input,
    cache_creation_input_tokens: written5m + written1h,
    cache_read_input_tokens: read,
    cache_creation: { ephemeral_5m_input_tokens: written5m, ephemeral_1h_input_tokens: written1h },
    output_tokens: output,
    ...(thinking !== undefined && { output_tokens_details: { thinking_tokens: thinking } }),
    ...(searches !== undefined && { server_tool_use: { web_search_requests: searches, web_fetch_requests: 0 } }),
    ...{ service_tier: "standard", inference_geo: "global" },
  };
}

function message(model: string, content: readonly object[], stop: string | null, usage: object): object {
  return {
    ...{ id: "msg_made_up", type: "message", role: "assistant", model, content },
    ...{ stop_reason: stop, stop_sequence: null, usage },
  };
}

const asking = (model: string, more: object = {}, usage?: Exchange["usage"], status = 200): Exchange => ({
  ...{ uri: URI, request: { model, max_tokens: 1024, messages, ...more }, status },
  ...(usage && { usage }),
});

const ANSWER = "The river meets the sea near Sunderland Point.";
const text = (said: string) => ({ type: "text", text: said });
const OPUS = "claude-opus-4-8";
const SONNET = "claude-sonnet-4-6";
const THOUGHT = { type: "thinking", thinking: "A river of Lancashire.", signature: "bWFkZSB1cA==".repeat(10) };

const WHOLE: readonly Recording[] = [
  whole(
    FORMAT,
    "whole",
    asking(OPUS, {}, { input: 21, output: 13 }),
    message(OPUS, [text(ANSWER)], "end_turn", usageOf({ input: 21, output: 13 })),
  ),
  whole(
    FORMAT,
    "whole, tools",
    asking(OPUS, { tools }, { input: 580, output: 54 }),
    message(
      OPUS,
      [
        text("I look it up."),
        { type: "tool_use", id: "toolu_made_up", name: "tide_table", input: { town: "Heysham" } },
      ],
      "tool_use",
      usageOf({ input: 580, output: 54 }),
    ),
  ),
  whole(
    FORMAT,
    "whole, read from a cache and written for an hour",
    asking(OPUS, {}, { input: 5121, output: 13, cacheRead: 4000, cacheWrite: 1100 }),
    message(
      OPUS,
      [text(ANSWER)],
      "end_turn",
      usageOf({ input: 21, output: 13, read: 4000, written5m: 100, written1h: 1000 }),
    ),
  ),
  whole(
    FORMAT,
    "whole, thinking and a search",
    asking(
      OPUS,
      {
        thinking: { type: "enabled", budget_tokens: 512 },
        tools: [{ type: "web_search_20250305", name: "web_search" }],
      },
      { input: 900, output: 240, reasoning: 180 },
    ),
    message(
      OPUS,
      [
        THOUGHT,
        { type: "server_tool_use", id: "srvtoolu_made_up", name: "web_search", input: { query: "river Lune" } },
        text(ANSWER),
      ],
      "end_turn",
      usageOf({ input: 900, output: 240, thinking: 180, searches: 1 }),
    ),
  ),
  whole(
    FORMAT,
    "whole, ended by the limit",
    asking(OPUS, { max_tokens: 4 }, { input: 21, output: 4 }),
    message(OPUS, [text("The river meets")], "max_tokens", usageOf({ input: 21, output: 4 })),
  ),
  whole(FORMAT, "error, overloaded", asking(OPUS, {}, undefined, 529), {
    ...{ type: "error", error: { type: "overloaded_error", message: "Overloaded" } },
    request_id: "req_made_up",
  }),
  whole(FORMAT, "error, rate limit", asking(OPUS, {}, undefined, 429), {
    ...{ type: "error", error: { type: "rate_limit_error", message: "Too many requests" } },
    request_id: "req_made_up",
  }),
];

const event = (type: string, body: object = {}) => `event: ${type}\ndata: ${JSON.stringify({ type, ...body })}\n\n`;
const start = (model: string, usage: object) =>
  event("message_start", { message: message(model, [], null, usage) }) + event("ping");
const deltas = (index: number, type: string, key: string, parts: readonly string[]) =>
  parts.map((part) => event("content_block_delta", { index, delta: { type, [key]: part } }));

function block(index: number, content_block: object, inside: readonly string[]): readonly string[] {
  return [event("content_block_start", { index, content_block }), ...inside, event("content_block_stop", { index })];
}

function end(stop_reason: string, usage: object): readonly string[] {
  return [event("message_delta", { delta: { stop_reason, stop_sequence: null }, usage }), event("message_stop")];
}

/** The ping travels with the first event, in one piece, as it does on the wire; here each is a frame of its own. */
const framed = (frames: readonly string[]) => frames.flatMap((frame) => frame.split(/(?<=\n\n)/));

const WORDS = ["The river", " meets the sea", " near Sunderland", " Point."];

const STREAMS: readonly Recording[] = [
  stream(
    FORMAT,
    "stream",
    asking(SONNET, { stream: true }, { input: 21, output: 13 }),
    framed([
      start(SONNET, usageOf({ input: 21, output: 2 })),
      ...block(0, text(""), deltas(0, "text_delta", "text", WORDS)),
      ...end("end_turn", usageOf({ input: 21, output: 13 })),
    ]),
  ),
  stream(
    FORMAT,
    "stream, tools",
    asking(SONNET, { stream: true, tools }, { input: 580, output: 61 }),
    framed([
      start(SONNET, usageOf({ input: 580, output: 1 })),
      ...block(0, text(""), deltas(0, "text_delta", "text", ["I look", " it up."])),
      ...block(
        1,
        { type: "tool_use", id: "toolu_made_up", name: "tide_table", input: {} },
        deltas(1, "input_json_delta", "partial_json", ["", '{"town": ', '"Hey', 'sham"}']),
      ),
      ...end("tool_use", { output_tokens: 61 }),
    ]),
  ),
  stream(
    FORMAT,
    "stream, thinking and cache",
    asking(
      SONNET,
      { stream: true, thinking: { type: "enabled", budget_tokens: 512 } },
      {
        ...{ input: 5121, output: 213, cacheRead: 4000, cacheWrite: 1100, reasoning: 200 },
      },
    ),
    framed([
      start(SONNET, usageOf({ input: 21, output: 1, read: 4000, written1h: 1100 })),
      ...block(0, { type: "thinking", thinking: "", signature: "" }, [
        ...deltas(0, "thinking_delta", "thinking", ["A river", " of Lancashire."]),
        ...deltas(0, "signature_delta", "signature", ["bWFkZSB1cA=="]),
      ]),
      ...block(1, text(""), deltas(1, "text_delta", "text", WORDS)),
      ...end("end_turn", {
        output_tokens: 213,
        output_tokens_details: { thinking_tokens: 200 },
        cache_read_input_tokens: null,
      }),
    ]),
  ),
  stream(
    FORMAT,
    "stream, input that grows with a server tool",
    asking(SONNET, { stream: true }, { input: 1700, output: 90 }),
    framed([
      start(SONNET, usageOf({ input: 900, output: 1 })),
      ...block(
        0,
        { type: "server_tool_use", id: "srvtoolu_made_up", name: "web_search", input: {} },
        deltas(0, "input_json_delta", "partial_json", ['{"query":', '"river Lune"}']),
      ),
      ...block(1, text(""), deltas(1, "text_delta", "text", WORDS)),
      ...end("end_turn", { input_tokens: 1700, output_tokens: 90, server_tool_use: { web_search_requests: 1 } }),
    ]),
  ),
  stream(
    FORMAT,
    "stream, ended by the limit",
    asking(SONNET, { stream: true, max_tokens: 4 }, { input: 21, output: 4 }),
    framed([
      start(SONNET, usageOf({ input: 21, output: 1 })),
      ...block(0, text(""), deltas(0, "text_delta", "text", ["The river meets"])),
      ...end("max_tokens", { output_tokens: 4 }),
    ]),
  ),
  stream(
    FORMAT,
    "stream, broken by an error",
    asking(SONNET, { stream: true }),
    framed([
      start(SONNET, usageOf({ input: 21, output: 1 })),
      ...block(0, text(""), deltas(0, "text_delta", "text", WORDS)).slice(0, 3),
      event("error", { error: { type: "overloaded_error", message: "Overloaded" } }),
    ]),
  ),
];

export const ANTHROPIC_MESSAGES: readonly Recording[] = [...WHOLE, ...STREAMS];
