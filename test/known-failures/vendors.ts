import * as wire from "../servers/formats.ts";
import type { Answer, Script, Visit } from "../servers/model-server.ts";

export {
  DONE,
  data,
  event,
  JSON_HEADERS,
  MESSAGE_STOP,
  messageDelta,
  SSE,
  streamed,
  whole,
} from "../servers/formats.ts";

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

const CHAT = { id: "chatcmpl-1", model: `${OPENAI_MODEL}-2025-08-07` };
const RESPONSE = { id: "resp_1", model: CHAT.model };
const MESSAGE = { id: "msg_1", model: ANTHROPIC_MODEL };

export const CHAT_USAGE = wire.chatUsage({ input: 1000, output: 50, cached: 800, reasoning: 20 });

/** What a request to a chat API says of itself. */
export interface ChatRequest {
  readonly stream?: unknown;
  readonly stream_options?: { readonly include_usage?: boolean };
}

export const chatChunk = (choices: readonly object[], more: object = {}): string => wire.chatChunk(CHAT, choices, more);
export const chatDelta = (delta: object, more: object = {}, finish_reason: string | null = null): string =>
  wire.chatDelta(CHAT, delta, more, finish_reason);

/** A chat stream as OpenAI sends it: usage only for who asks. */
export function chatFrames(visit: Visit, usage: unknown = CHAT_USAGE): readonly string[] {
  const asked = (JSON.parse(visit.body) as ChatRequest).stream_options?.include_usage === true;
  const more = asked ? { usage: null } : {};
  return [
    chatDelta({ role: "assistant", content: "" }, more),
    ...PIECES.map((content) => chatDelta({ content }, more)),
    chatDelta({}, more, "stop"),
    ...(asked ? [chatChunk([], { usage })] : []),
    wire.DONE,
  ];
}

export const chatBody = (usage: unknown = CHAT_USAGE, model = CHAT.model): string =>
  JSON.stringify(wire.chatCompletion({ ...CHAT, model }, { content: WORDS, refusal: null }, usage));

export const RESPONSES_USAGE = wire.responsesUsage({ input: 1000, output: 50, cached: 800, reasoning: 20 });

export const responseObject = (status: string, usage: unknown = null): object =>
  wire.responseObject(RESPONSE, status, usage ? [wire.outputMessage("msg_1", WORDS)] : [], usage);

export function responsesFrames(status: "completed" | "incomplete" | "failed" = "completed"): readonly string[] {
  const added = { id: "msg_1", type: "message", status: "in_progress", role: "assistant", content: [] };
  return wire.numbered([
    { type: "response.created", response: responseObject("in_progress") },
    { type: "response.output_item.added", output_index: 0, item: added },
    ...wire.outputTextEvents("msg_1", 0, PIECES),
    { type: `response.${status}`, response: responseObject(status, RESPONSES_USAGE) },
  ] as readonly { readonly type: string }[]);
}

export const responsesBody = (): string => JSON.stringify(responseObject("completed", RESPONSES_USAGE));

export const ANTHROPIC_INPUT = {
  input_tokens: 10,
  cache_creation_input_tokens: 200,
  cache_read_input_tokens: 800,
  cache_creation: { ephemeral_5m_input_tokens: 150, ephemeral_1h_input_tokens: 50 },
};

export const messageStart = (usage: object): string =>
  wire.messageStart(wire.anthropicMessage(MESSAGE, [], null, usage));

/** A text block, delta by delta. */
export const textBlock = (pieces: readonly string[] = PIECES): readonly string[] =>
  wire.contentBlock(
    0,
    { type: "text", text: "" },
    pieces.map((text) => ({ type: "text_delta", text })),
  );

export function anthropicFrames(): readonly string[] {
  return [
    messageStart({ ...ANTHROPIC_INPUT, output_tokens: 1, service_tier: "standard" }),
    ...textBlock(),
    // Cumulative, the 1 of the start in it.
    wire.messageDelta({ output_tokens: 50 }),
    wire.MESSAGE_STOP,
  ];
}

export function anthropicBody(): string {
  const usage = { ...ANTHROPIC_INPUT, output_tokens: 50, service_tier: "standard" };
  const content = [{ type: "text", text: WORDS, citations: null }];
  return JSON.stringify(wire.anthropicMessage(MESSAGE, content, "end_turn", usage));
}

export const GEMINI_MODEL = "gemini-2.5-flash";
/** 1000 input of which 800 cached; 30 visible and 20 of thoughts, which Gemini counts apart. */
export const GEMINI_USAGE = wire.geminiUsage({ input: 1000, output: 50, cached: 800, reasoning: 20 });

export const geminiChunk = (text: string, usageMetadata?: object, finishReason?: string): object =>
  wire.geminiAnswer({ id: "r1", model: GEMINI_MODEL }, [{ text }], usageMetadata, finishReason);

/** Every chunk reports what was used so far. */
export function geminiFrames(): readonly string[] {
  return PIECES.map((piece, index) => {
    const last = index === PIECES.length - 1;
    const candidatesTokenCount = Math.ceil((30 * (index + 1)) / PIECES.length);
    return wire.data(geminiChunk(piece, { ...GEMINI_USAGE, candidatesTokenCount }, last ? "STOP" : undefined));
  });
}

export const geminiBody = (): string => JSON.stringify(geminiChunk(WORDS, GEMINI_USAGE, "STOP"));

/** An event stream of which the caller sees no end: the frames up to the one with `marker`, then silence. */
export function until(marker: string, frames: readonly string[]): Script {
  const at = frames.findIndex((frame) => frame.includes(marker));
  if (at < 0) throw new Error(`no frame with ${marker}`);
  return wire.streamed(...frames.slice(0, at + 1), "hang");
}
/** About half of the answer. */
export const HALF_MARKER = PIECES[12] as string;
export const HALF = PIECES.slice(0, 13).join("");

export const chatStream: Answer = (visit) => wire.streamed(...chatFrames(visit));
export const chatHalf: Answer = (visit) => until(JSON.stringify(HALF_MARKER), chatFrames(visit));
export const responsesHalf: Script = until(`"delta":${JSON.stringify(HALF_MARKER)}`, responsesFrames());
export const anthropicHalf: Script = until(`"text":${JSON.stringify(HALF_MARKER)}`, anthropicFrames());
