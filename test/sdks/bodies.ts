import type { Visit } from "../servers/model-server.ts";
import { type Recording, recorded, type Tokens } from "./recorded.ts";

/** How a vendor writes what is not in a good recording. */
export interface Dialect {
  readonly format: string;
  /** The body of an error status. */
  readonly refusal: (status: number) => string;
  /** The event that a vendor sends when a stream breaks on its side. */
  readonly errorEvent: string;
}

/** What a vendor answers to a call that streams. */
export interface StreamBody {
  readonly dialect: Dialect;
  readonly model: string;
  /** Frames with their blank line, as they go to this caller. */
  readonly frames: (visit: Visit) => readonly string[];
  /** How many of the frames have passed when the caller sees `marker`. */
  readonly cut: number;
  /** Text in the last frame before the cut, by which the caller notices that it has it all. */
  readonly marker: string;
  /** Visible output until the cut. */
  readonly shown: string;
  /** What the vendor had reported at the cut, where it reports on the way. */
  readonly soFar?: Partial<Tokens>;
  /** Text of the frame that the vendor's last report comes with. */
  readonly lastMarker: string;
  readonly usage: Tokens;
  /** Tool calls among what is shown. */
  readonly toolCalls?: number;
  /** All of the visible output, where the vendor reports no usage of it. */
  readonly silent?: string;
}

/** What a vendor answers to a call that does not. */
export interface WholeBody {
  readonly dialect: Dialect;
  readonly model: string;
  readonly body: string;
  readonly usage: Tokens;
}

const CHAT: Dialect = {
  format: "openai-chat",
  refusal: (status) => openaiError(status),
  errorEvent: `data: ${openaiError(500)}\n\n`,
};

const RESPONSES: Dialect = {
  format: "openai-responses",
  refusal: (status) => openaiError(status),
  errorEvent:
    'event: error\ndata: {"type":"error","code":"server_error","message":"It broke","param":null,"sequence_number":99}\n\n',
};

const ANTHROPIC: Dialect = {
  format: "anthropic-messages",
  refusal: (status) => anthropicError(status === 429 ? "rate_limit_error" : "invalid_request_error"),
  errorEvent: `event: error\ndata: ${anthropicError("overloaded_error")}\n\n`,
};

const GOOGLE: Dialect = {
  format: "google-generate",
  refusal: (status) => JSON.stringify({ error: { code: status, message: `Refused with ${status}`, status: "FAILED" } }),
  errorEvent: 'data: {"error": {"code": 503,"message": "It broke","status": "UNAVAILABLE"}}\n\n',
};

function openaiError(status: number): string {
  const error = { message: `Refused with ${status}`, type: "server_error", param: null, code: null };
  return JSON.stringify({ error });
}

function anthropicError(type: string): string {
  return JSON.stringify({ type: "error", error: { type, message: `It is ${type}` }, request_id: "req_1" });
}

interface Cut {
  readonly toolCalls?: number;
  readonly marker: string;
  readonly shown: string;
  readonly lastMarker: string;
  readonly soFar?: Partial<Tokens>;
}

function streamOf(dialect: Dialect, recording: Recording, cut: Cut, adapt = all): StreamBody {
  const frames = recording.response
    .split(/(?<=\n\n|\r\n\r\n)/)
    .map((frame) => frame.replaceAll("\r\n", "\n"))
    .filter((frame) => frame.trim() !== "");
  return handStream(dialect, modelOf(recording), frames, recording.usage as Tokens, cut, adapt);
}

function handStream(
  dialect: Dialect,
  model: string,
  frames: readonly string[],
  usage: Tokens,
  cut: Cut,
  adapt = all,
): StreamBody {
  const at = frames.findIndex((frame) => frame.includes(cut.marker)) + 1;
  if (at === 0) throw new Error(`no frame with ${cut.marker}`);
  return { dialect, model, frames: (visit) => adapt(frames, visit), cut: at, usage, ...cut };
}

const all = (frames: readonly string[], _visit: Visit): readonly string[] => frames;

/** OpenAI reports the usage of a chat stream only to those who ask. */
function asAsked(frames: readonly string[], visit: Visit): readonly string[] {
  const asked = JSON.parse(visit.body) as { stream_options?: { include_usage?: boolean } };
  if (asked.stream_options?.include_usage === true) return frames;
  return frames.filter((frame) => !frame.includes('"choices":[]')).map((frame) => frame.replace(',"usage":null', ""));
}

function wholeOf(dialect: Dialect, recording: Recording): WholeBody {
  return { dialect, model: modelOf(recording), body: recording.response, usage: recording.usage as Tokens };
}

function modelOf({ uri, request }: Recording): string {
  return (JSON.parse(request) as { model?: string }).model ?? /models\/([^:]+):/.exec(uri)?.[1] ?? "";
}

const TOOLS = "test_tool_search/";

export function chatStream(): StreamBody {
  return streamOf(
    CHAT,
    recorded("test_dbos/test_dbos_model_stream_direct.yaml#0"),
    { marker: '" Mexico"', shown: "The capital of Mexico", lastMarker: '"finish_reason":"stop"' },
    asAsked,
  );
}

export function chatToolStream(): StreamBody {
  return streamOf(
    CHAT,
    recorded("test_temporal/test_complex_agent_run.yaml#1"),
    {
      marker: '"Mexico"',
      shown: 'get_weather{"city":"Mexico',
      toolCalls: 1,
      lastMarker: '"finish_reason":"tool_calls"',
    },
    asAsked,
  );
}

/** Two answers at once, frame by frame in turn. */
export function chatTwoStream(): StreamBody {
  const frame = (index: number, delta: object, finish: string | null = null) =>
    `data: ${JSON.stringify({
      id: "chatcmpl-two",
      object: "chat.completion.chunk",
      created: 1,
      model: "gpt-4o-2024-08-06",
      choices: [{ index, delta, logprobs: null, finish_reason: finish }],
      usage: null,
    })}\n\n`;
  const usage = { prompt_tokens: 14, completion_tokens: 12, total_tokens: 26 };
  const last = { id: "chatcmpl-two", object: "chat.completion.chunk", created: 1, model: "gpt-4o-2024-08-06" };
  const frames = [
    ...[0, 1].map((index) => frame(index, { role: "assistant", content: "" })),
    ...["Heads", " and", " harbour"].flatMap((word) => [0, 1].map((index) => frame(index, { content: word + index }))),
    ...[0, 1].map((index) => frame(index, { content: " end" })),
    ...[0, 1].map((index) => frame(index, {}, "stop")),
    `data: ${JSON.stringify({ ...last, choices: [], usage })}\n\n`,
    "data: [DONE]\n\n",
  ];
  return handStream(
    CHAT,
    "gpt-4o",
    frames,
    { input: 14, output: 12, cacheRead: 0, cacheWrite: 0, reasoning: 0 },
    { marker: "harbour1", shown: "Heads0 and0 harbour0Heads1 and1 harbour1", lastMarker: '"finish_reason":"stop"' },
    asAsked,
  );
}

export function chatWhole(): WholeBody {
  return wholeOf(CHAT, recorded("test_dbos/test_dbos_agent_run_sync.yaml#0"));
}

export function chatToolWhole(): WholeBody {
  return wholeOf(CHAT, recorded("test_dbos/test_dbos_agent_with_model_retry.yaml#0"));
}

/** With tokens that were read from a cache and tokens of reasoning. */
export function chatTwoWhole(): WholeBody {
  const choice = (index: number, content: string) => ({
    index,
    message: { role: "assistant", content, refusal: null },
    logprobs: null,
    finish_reason: "stop",
  });
  const usage = {
    prompt_tokens: 1400,
    completion_tokens: 120,
    total_tokens: 1520,
    prompt_tokens_details: { cached_tokens: 1024, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 64, audio_tokens: 0 },
  };
  const choices = [choice(0, '{"city":"Paris"}'), choice(1, '{"city":"Lyon"}')];
  const body = { id: "chatcmpl-2", object: "chat.completion", created: 1, model: "gpt-5-2025-08-07", choices, usage };
  return {
    dialect: CHAT,
    model: "gpt-5",
    body: JSON.stringify(body),
    usage: { input: 1400, output: 120, cacheRead: 1024, cacheWrite: 0, reasoning: 64 },
  };
}

export function responsesStream(): StreamBody {
  return streamOf(RESPONSES, recorded(`${TOOLS}test_openai_native_tool_search_streaming.yaml#1`), {
    marker: '" EUR"',
    shown: "1 USD = 0.92 EUR",
    lastMarker: '"response.completed"',
  });
}

export function responsesToolStream(): StreamBody {
  return streamOf(RESPONSES, recorded(`${TOOLS}test_openai_native_tool_search_streaming.yaml#0`), {
    marker: '"delta":"EUR"',
    shown: 'get_exchange_rate{"from_currency":"USD","to_currency":"EUR',
    toolCalls: 2,
    lastMarker: '"response.completed"',
  });
}

export function responsesWhole(): WholeBody {
  const file = "test_multimodal_tool_returns/test_multimodal_tool_return_matrix";
  return wholeOf(RESPONSES, recorded(`${file}[direct-uploaded_file-image-openai_responses].yaml#0`));
}

export function anthropicStream(): StreamBody {
  return streamOf(ANTHROPIC, recorded(`${TOOLS}test_anthropic_native_tool_search_streaming.yaml#1`), {
    marker: "every US Dollar",
    shown: "The current exchange rate is **1 USD = 0.92 EUR**. This means that for every US Dollar",
    soFar: { input: 1007 },
    lastMarker: '"message_delta"',
  });
}

/** Half of the prompt comes from a cache, and a tool is called. */
export function anthropicToolStream(): StreamBody {
  const event = (type: string, rest: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
  const input = { input_tokens: 10, cache_creation_input_tokens: 200, cache_read_input_tokens: 800 };
  const content_block = { type: "tool_use", id: "toolu_1", name: "get_weather", input: {} };
  const delta = (partial_json: string) =>
    event("content_block_delta", { index: 0, delta: { type: "input_json_delta", partial_json } });
  const message = {
    ...{ id: "msg_1", type: "message", role: "assistant", model: "claude-sonnet-4-5-20250929", content: [] },
    ...{ stop_reason: null, stop_sequence: null, usage: { ...input, output_tokens: 1 } },
  };
  const frames = [
    event("message_start", { message }),
    event("content_block_start", { index: 0, content_block }),
    event("ping", {}),
    ...['{"city":', ' "Mexico', ' City"}'].map(delta),
    event("content_block_stop", { index: 0 }),
    event("message_delta", {
      delta: { stop_reason: "tool_use", stop_sequence: null },
      usage: { ...input, output_tokens: 50 },
    }),
    event("message_stop", {}),
  ];
  return handStream(
    ANTHROPIC,
    "claude-sonnet-4-5",
    frames,
    { input: 1010, output: 50, cacheRead: 800, cacheWrite: 200, reasoning: 0 },
    {
      marker: "Mexico",
      shown: 'get_weather{"city": "Mexico',
      toolCalls: 1,
      soFar: { input: 1010, cacheRead: 800, cacheWrite: 200 },
      lastMarker: '"message_delta"',
    },
  );
}

export function anthropicWhole(): WholeBody {
  const file = "test_anthropic_mid_conversation_system/test_inline_system_prompt_cache_prefix_is_reused.yaml";
  return wholeOf(ANTHROPIC, recorded(`${file}#1`));
}

export function googleStream(): StreamBody {
  return streamOf(GOOGLE, recorded("test_structured_output/test_native_output_with_function_tools_stream.yaml#1"), {
    marker: "Mexico",
    shown: '{\n  "city": "Mexico',
    soFar: { input: 59, output: 38, reasoning: 30 },
    lastMarker: '"STOP"',
  });
}

export function googleWhole(): WholeBody {
  return wholeOf(GOOGLE, recorded("test_google/test_google_dict_with_additional_properties_native_output.yaml#0"));
}
