import type { Answer, Script, Step, Visit } from "../servers/model-server.ts";

/**
 * The truth of section 1 of `known-failures.md`: chat and Responses 1000 input (800 cached) and 50 output (20
 * reasoning), Anthropic 10 + 200 cache write + 800 cache read + 50. The text is of about that many tokens, so that an
 * estimate can be held against it.
 */
export const TRUTH = {
  openai: { input: 1000, cacheRead: 800, cacheWrite: 0, output: 50, reasoning: 20 },
  anthropic: { input: 1010, cacheRead: 800, cacheWrite: 200, cacheWrite1h: 50, output: 50, reasoning: 0 },
} as const;

export const OPENAI_MODEL = "gpt-5";
export const ANTHROPIC_MODEL = "claude-sonnet-4-6";

/** List prices in USD per million tokens, written by hand: the truth must not come from the code under test. */
export const COST = {
  openai: (200 * 1.25 + 800 * 0.125 + 50 * 10) / 1e6,
  anthropic: (10 * 3 + 150 * 3.75 + 50 * 6 + 800 * 0.3 + 50 * 15) / 1e6,
} as const;

const SENTENCE = "The harbour was quiet that evening and only a few lamps were burning along the water. ";
/** About a thousand tokens of English. */
export const PROMPT = SENTENCE.repeat(50).slice(0, 4_200).trim();

const WORDS =
  "Ships that leave a harbour at night carry two lamps and a bell. The crew keeps watch until the morning comes, and nobody talks.";
/** The answer, in pieces of a token. */
export const PIECES = WORDS.match(/ ?\S+/g) as readonly string[];

export const SSE = { "content-type": "text/event-stream; charset=utf-8" };
export const JSON_HEADERS = { "content-type": "application/json" };

export const data = (json: unknown): string => `data: ${JSON.stringify(json)}\n\n`;
export const event = (json: { readonly type: string; readonly [key: string]: unknown }): string =>
  `event: ${json.type}\n${data(json)}`;
export const DONE = "data: [DONE]\n\n";

export const CHAT_USAGE = {
  prompt_tokens: 1000,
  completion_tokens: 50,
  total_tokens: 1050,
  prompt_tokens_details: { cached_tokens: 800, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 20, audio_tokens: 0 },
};

/** What a request to a chat API says of itself. */
export interface ChatRequest {
  readonly stream?: unknown;
  readonly stream_options?: { readonly include_usage?: boolean };
}

export function chatChunk(choices: readonly unknown[], more: object = {}): string {
  return data({
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1,
    model: `${OPENAI_MODEL}-2025-08-07`,
    choices,
    ...more,
  });
}

export const chatDelta = (delta: object, more: object = {}, finish_reason: string | null = null): string =>
  chatChunk([{ index: 0, delta, logprobs: null, finish_reason }], more);

/** A chat stream as OpenAI sends it: usage only for who asks. */
export function chatFrames(visit: Visit, usage: unknown = CHAT_USAGE): readonly string[] {
  const asked = (JSON.parse(visit.body) as ChatRequest).stream_options?.include_usage === true;
  const more = asked ? { usage: null } : {};
  return [
    chatDelta({ role: "assistant", content: "" }, more),
    ...PIECES.map((content) => chatDelta({ content }, more)),
    chatDelta({}, more, "stop"),
    ...(asked ? [chatChunk([], { usage })] : []),
    DONE,
  ];
}

export function chatBody(usage: unknown = CHAT_USAGE, model = `${OPENAI_MODEL}-2025-08-07`): string {
  const message = { role: "assistant", content: WORDS, refusal: null };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: "stop" }];
  return JSON.stringify({ id: "chatcmpl-1", object: "chat.completion", created: 1, model, choices, usage });
}

export const RESPONSES_USAGE = {
  input_tokens: 1000,
  input_tokens_details: { cached_tokens: 800, cache_write_tokens: 0 },
  output_tokens: 50,
  output_tokens_details: { reasoning_tokens: 20 },
  total_tokens: 1050,
};

export function responseObject(status: string, usage: unknown = null): object {
  const text = { type: "output_text", annotations: [], text: WORDS };
  const item = { id: "msg_1", type: "message", status: "completed", role: "assistant", content: [text] };
  return {
    ...{ id: "resp_1", object: "response", created_at: 1, status, background: false, error: null },
    ...{ incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null, metadata: {} },
    ...{ model: `${OPENAI_MODEL}-2025-08-07`, output: usage ? [item] : [], tools: [], service_tier: "default", usage },
  };
}

export function responsesFrames(status: "completed" | "incomplete" | "failed" = "completed"): readonly string[] {
  const place = { item_id: "msg_1", output_index: 0, content_index: 0 };
  const added = { id: "msg_1", type: "message", status: "in_progress", role: "assistant", content: [] };
  let sequence_number = 0;
  const next = (type: string, fields: object) => event({ type, ...fields, sequence_number: sequence_number++ });
  return [
    next("response.created", { response: responseObject("in_progress") }),
    next("response.output_item.added", { output_index: 0, item: added }),
    next("response.content_part.added", { ...place, part: { type: "output_text", annotations: [], text: "" } }),
    ...PIECES.map((delta) => next("response.output_text.delta", { ...place, delta, logprobs: [] })),
    next("response.output_text.done", { ...place, text: WORDS, logprobs: [] }),
    next(`response.${status}`, { response: responseObject(status, RESPONSES_USAGE) }),
  ];
}

export const responsesBody = (): string => JSON.stringify(responseObject("completed", RESPONSES_USAGE));

export const ANTHROPIC_INPUT = {
  input_tokens: 10,
  cache_creation_input_tokens: 200,
  cache_read_input_tokens: 800,
  cache_creation: { ephemeral_5m_input_tokens: 150, ephemeral_1h_input_tokens: 50 },
};

const ANTHROPIC_MESSAGE = {
  ...{ id: "msg_1", type: "message", role: "assistant", model: ANTHROPIC_MODEL },
  ...{ content: [], stop_reason: null, stop_sequence: null },
};

export const messageStart = (usage: object): string =>
  event({ type: "message_start", message: { ...ANTHROPIC_MESSAGE, usage } });

export const messageDelta = (usage: object, stop_reason: string | null = "end_turn"): string =>
  event({ type: "message_delta", delta: { stop_reason, stop_sequence: null }, usage });

export const MESSAGE_STOP = event({ type: "message_stop" });

/** A text block, delta by delta. */
export function textBlock(pieces: readonly string[] = PIECES): readonly string[] {
  const block = (type: string, fields: object) => event({ type, index: 0, ...fields });
  return [
    block("content_block_start", { content_block: { type: "text", text: "" } }),
    ...pieces.map((text) => block("content_block_delta", { delta: { type: "text_delta", text } })),
    block("content_block_stop", {}),
  ];
}

export function anthropicFrames(): readonly string[] {
  return [
    messageStart({ ...ANTHROPIC_INPUT, output_tokens: 1, service_tier: "standard" }),
    ...textBlock(),
    // Cumulative, the 1 of the start in it.
    messageDelta({ output_tokens: 50 }),
    MESSAGE_STOP,
  ];
}

export function anthropicBody(): string {
  const usage = { ...ANTHROPIC_INPUT, output_tokens: 50, service_tier: "standard" };
  const content = [{ type: "text", text: WORDS, citations: null }];
  return JSON.stringify({ ...ANTHROPIC_MESSAGE, content, stop_reason: "end_turn", usage });
}

export const GEMINI_MODEL = "gemini-2.5-flash";
/** 1000 input of which 800 cached; 30 visible and 20 of thoughts, which Gemini counts apart. */
export const GEMINI_USAGE = {
  promptTokenCount: 1000,
  cachedContentTokenCount: 800,
  candidatesTokenCount: 30,
  thoughtsTokenCount: 20,
  totalTokenCount: 1050,
};

export function geminiChunk(text: string, usageMetadata?: object, finishReason?: string): object {
  const candidate = { content: { parts: [{ text }], role: "model" }, index: 0, ...(finishReason && { finishReason }) };
  return {
    candidates: [candidate],
    ...(usageMetadata && { usageMetadata }),
    modelVersion: GEMINI_MODEL,
    responseId: "r1",
  };
}

/** Every chunk reports what was used so far. */
export function geminiFrames(): readonly string[] {
  return PIECES.map((piece, index) => {
    const last = index === PIECES.length - 1;
    const candidatesTokenCount = Math.ceil((30 * (index + 1)) / PIECES.length);
    return data(geminiChunk(piece, { ...GEMINI_USAGE, candidatesTokenCount }, last ? "STOP" : undefined));
  });
}

export const geminiBody = (): string => JSON.stringify(geminiChunk(WORDS, GEMINI_USAGE, "STOP"));

/** An event stream, whole. */
export const streamed = (...frames: readonly Step[]): Script => ({ headers: SSE, steps: frames });
/** An event stream of which the caller sees no end: the frames up to the one with `marker`, then silence. */
export function until(marker: string, frames: readonly string[]): Script {
  const at = frames.findIndex((frame) => frame.includes(marker));
  if (at < 0) throw new Error(`no frame with ${marker}`);
  return streamed(...frames.slice(0, at + 1), "hang");
}
export const whole = (body: string, headers: Readonly<Record<string, string>> = {}): Script => ({
  headers: { ...JSON_HEADERS, ...headers },
  steps: [body],
});

/** About half of the answer. */
export const HALF_MARKER = PIECES[12] as string;
export const HALF = PIECES.slice(0, 13).join("");

export const chatStream: Answer = (visit) => streamed(...chatFrames(visit));
export const chatHalf: Answer = (visit) => until(JSON.stringify(HALF_MARKER), chatFrames(visit));
export const responsesHalf: Script = until(`"delta":${JSON.stringify(HALF_MARKER)}`, responsesFrames());
export const anthropicHalf: Script = until(`"text":${JSON.stringify(HALF_MARKER)}`, anthropicFrames());
