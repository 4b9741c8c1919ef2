import { type Exchange, type Recording, stream, whole } from "../exchange.ts";

const FORMAT = "openai-responses";
const URI = "https://api.openai.com/v1/responses";
const INPUT = "Where does the river Lune meet the sea?";

interface Counts {
  readonly input: number;
  readonly output: number;
  readonly cached?: number;
  readonly written?: number;
  readonly reasoning?: number;
}

function usageOf({ input, output, cached = 0, written, reasoning = 0 }: Counts): object {
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cached, ...(written !== undefined && { cache_write_tokens: written }) },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input + output,
  };
}

/** A response as every event that carries it whole has it. */
function response(model: string, status: string, more: object = {}): object {
  return {
    ...{ id: "resp_made_up", object: "response", created_at: 1_790_000_000, status, background: false, model },
    ...{ error: null, incomplete_details: null, instructions: null, max_output_tokens: null, metadata: {}, output: [] },
    ...{ parallel_tool_calls: true, previous_response_id: null, reasoning: { effort: null, summary: null } },
    ...{
      service_tier: "default",
      store: true,
      temperature: 1,
      text: { format: { type: "text" } },
      tool_choice: "auto",
    },
    ...{ tools: [], top_p: 1, truncation: "disabled", usage: null, user: null },
    ...more,
  };
}

const part = (text: string) => ({ type: "output_text", annotations: [], logprobs: [], text });
const message = (text: string, status = "completed") => ({
  ...{ id: "msg_made_up", type: "message", status, role: "assistant" },
  content: text === "" ? [] : [part(text)],
});
const toolCall = (args: string, status = "completed") => ({
  ...{ id: "fc_made_up", type: "function_call", status, call_id: "call_made_up", name: "tide_table" },
  arguments: args,
});
const thinking = (...summary: string[]) => ({
  ...{ id: "rs_made_up", type: "reasoning", encrypted_content: "bWFkZSB1cA==".repeat(20) },
  summary: summary.map((text) => ({ type: "summary_text", text })),
});

const parameters = {
  ...{ type: "object", properties: { town: { type: "string" } }, required: ["town"] },
  additionalProperties: false,
};
const tools = [{ type: "function", name: "tide_table", description: "Tides of a town", parameters, strict: true }];

const at = (model: string, more: object = {}, usage?: Exchange["usage"], status = 200): Exchange => ({
  ...{ uri: URI, request: { model, input: INPUT, ...more }, status },
  ...(usage && { usage }),
});

const ANSWER = "The river meets the sea near Sunderland Point.";
const MINI = "gpt-5-mini-2025-08-07";
const GPT = "gpt-5.4-2026-03-05";

const WHOLE: readonly Recording[] = [
  whole(
    FORMAT,
    "whole",
    at("gpt-5-mini", {}, { input: 18, output: 139, reasoning: 128 }),
    response(MINI, "completed", {
      output: [thinking(), message(ANSWER)],
      usage: usageOf({ input: 18, output: 139, reasoning: 128 }),
    }),
  ),
  whole(
    FORMAT,
    "whole, tools and cache",
    at("gpt-5.4", { tools }, { input: 2400, output: 31, cacheRead: 1920, cacheWrite: 256 }),
    response(GPT, "completed", {
      ...{ tools, output: [toolCall('{"town":"Heysham"}')] },
      usage: usageOf({ input: 2400, output: 31, cached: 1920, written: 256 }),
    }),
  ),
  whole(
    FORMAT,
    "whole, searches",
    at("gpt-5.4", { tools: [{ type: "web_search" }] }, { input: 310, output: 44 }),
    response(GPT, "completed", {
      output: [{ id: "ws_made_up", type: "web_search_call", status: "completed" }, message(ANSWER)],
      usage: usageOf({ input: 310, output: 44 }),
      tool_usage: { web_search: { num_requests: 1 } },
    }),
  ),
  whole(
    FORMAT,
    "whole, ended by the limit",
    at("gpt-5.4", { max_output_tokens: 16 }, { input: 18, output: 16, reasoning: 16 }),
    response(GPT, "incomplete", {
      ...{ incomplete_details: { reason: "max_output_tokens" }, output: [thinking()] },
      usage: usageOf({ input: 18, output: 16, reasoning: 16 }),
    }),
  ),
  whole(
    FORMAT,
    "background, queued",
    at("gpt-5.4", { background: true }),
    response(GPT, "queued", { background: true }),
  ),
  whole(FORMAT, "error, bad request", at("gpt-5.4", { reasoning: { effort: "most" } }, undefined, 400), {
    error: {
      message: "Invalid value",
      type: "invalid_request_error",
      param: "reasoning.effort",
      code: "invalid_value",
    },
  }),
];

type Event = readonly [type: string, body: object];

/** Numbers the events, as the vendor does. */
function events(list: readonly Event[]): readonly string[] {
  return list.map(
    ([type, body], sequence_number) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, ...body, sequence_number })}\n\n`,
  );
}

const begun = (model: string, more: object = {}): readonly Event[] => [
  ["response.created", { response: response(model, "in_progress", more) }],
  ["response.in_progress", { response: response(model, "in_progress", more) }],
];
const textAt = (output_index: number) => ({ item_id: "msg_made_up", output_index, content_index: 0 });

function said(words: readonly string[], output_index = 0): readonly Event[] {
  const place = textAt(output_index);
  const text = words.join("");
  return [
    ["response.output_item.added", { output_index, item: message("", "in_progress") }],
    ["response.content_part.added", { ...place, part: part("") }],
    ...words.map(
      (delta): Event => ["response.output_text.delta", { ...place, delta, logprobs: [], obfuscation: "xY9" }],
    ),
    ["response.output_text.done", { ...place, text, logprobs: [] }],
    ["response.content_part.done", { ...place, part: part(text) }],
    ["response.output_item.done", { output_index, item: message(text) }],
  ];
}

function called(parts: readonly string[], output_index = 0): readonly Event[] {
  const place = { item_id: "fc_made_up", output_index };
  return [
    ["response.output_item.added", { output_index, item: toolCall("", "in_progress") }],
    ...parts.map((delta): Event => ["response.function_call_arguments.delta", { ...place, delta, obfuscation: "xY" }]),
    ["response.function_call_arguments.done", { ...place, arguments: parts.join("") }],
    ["response.output_item.done", { output_index, item: toolCall(parts.join("")) }],
  ];
}

function summarised(words: readonly string[]): readonly Event[] {
  const place = { item_id: "rs_made_up", output_index: 0, summary_index: 0 };
  return [
    ["response.output_item.added", { output_index: 0, item: thinking() }],
    ["response.reasoning_summary_part.added", { ...place, part: { type: "summary_text", text: "" } }],
    ...words.map((delta): Event => ["response.reasoning_summary_text.delta", { ...place, delta }]),
    ["response.reasoning_summary_text.done", { ...place, text: words.join("") }],
    ["response.reasoning_summary_part.done", { ...place, part: { type: "summary_text", text: words.join("") } }],
    ["response.output_item.done", { output_index: 0, item: thinking(words.join("")) }],
  ];
}

const ended = (model: string, status: string, more: object): Event => [
  `response.${status}`,
  { response: response(model, status, more) },
];

const WORDS = ["The", " river", " meets", " the", " sea", " near", " Sunderland", " Point", "."];
const ARGS = ['{"', "town", '":"', "Hey", "sham", '"}'];

const STREAMS: readonly Recording[] = [
  stream(
    FORMAT,
    "stream",
    at("gpt-5.4", { stream: true }, { input: 18, output: 11 }),
    events([
      ...begun(GPT),
      ...said(WORDS),
      ended(GPT, "completed", { output: [message(ANSWER)], usage: usageOf({ input: 18, output: 11 }) }),
    ]),
  ),
  stream(
    FORMAT,
    "stream, tools",
    at("gpt-5.4", { stream: true, tools }, { input: 66, output: 19 }),
    events([
      ...begun(GPT, { tools }),
      ...called(ARGS),
      ended(GPT, "completed", { tools, output: [toolCall(ARGS.join(""))], usage: usageOf({ input: 66, output: 19 }) }),
    ]),
  ),
  stream(
    FORMAT,
    "stream, reasoning and cache",
    at(
      "gpt-5.4",
      { stream: true, reasoning: { summary: "auto" } },
      {
        ...{ input: 2400, output: 331, cacheRead: 2304, reasoning: 320 },
      },
    ),
    events([
      ...begun(GPT),
      ...summarised(["**A river**", " of", " Lancashire", " is meant"]),
      ...said(WORDS, 1),
      ended(GPT, "completed", {
        output: [thinking("**A river** of Lancashire is meant"), message(ANSWER)],
        usage: usageOf({ input: 2400, output: 331, cached: 2304, reasoning: 320 }),
      }),
    ]),
  ),
  stream(
    FORMAT,
    "stream, ended by the limit",
    at("gpt-5.4", { stream: true, max_output_tokens: 16 }, { input: 18, output: 16 }),
    events([
      ...begun(GPT),
      ...said(WORDS.slice(0, 4)).slice(0, -3),
      ended(GPT, "incomplete", {
        ...{ incomplete_details: { reason: "max_output_tokens" }, output: [message("The river meets the")] },
        usage: usageOf({ input: 18, output: 16 }),
      }),
    ]),
  ),
  stream(
    FORMAT,
    "stream, failed",
    at("gpt-5.4", { stream: true }),
    events([
      ...begun(GPT),
      ...said(WORDS).slice(0, 5),
      ended(GPT, "failed", { error: { code: "server_error", message: "The server had an error" } }),
    ]),
  ),
  stream(
    FORMAT,
    "stream, broken by an error",
    at("gpt-5.4", { stream: true }),
    events([
      ...begun(GPT),
      ...said(WORDS).slice(0, 5),
      ["error", { code: "server_error", message: "The server had an error", param: null }],
    ]),
  ),
];

export const OPENAI_RESPONSES: readonly Recording[] = [...WHOLE, ...STREAMS];
