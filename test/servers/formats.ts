import type { Script, Step } from "./model-server.ts";

/** Bodies and frames of the wire formats, as the vendors' documents show them: what a stand-in vendor of a test is made of. */

export const JSON_HEADERS = { "content-type": "application/json" };
export const SSE = { "content-type": "text/event-stream; charset=utf-8" };
export const DONE = "data: [DONE]\n\n";

export const data = (json: unknown): string => `data: ${JSON.stringify(json)}\n\n`;
export const event = (json: { readonly type: string; readonly [key: string]: unknown }): string =>
  `event: ${json.type}\n${data(json)}`;

/** An event stream, whole. */
export const streamed = (...steps: readonly Step[]): Script => ({ headers: SSE, steps });
export const whole = (body: string | object, headers: Readonly<Record<string, string>> = {}): Script => ({
  headers: { ...JSON_HEADERS, ...headers },
  steps: [typeof body === "string" ? body : JSON.stringify(body)],
});

/** `input` includes what was read from the cache, `output` the reasoning. */
export interface Tokens {
  readonly input: number;
  readonly output: number;
  readonly cached?: number;
  readonly reasoning?: number;
}

/** What all answers of a call have in common. */
export interface Origin {
  readonly id: string;
  readonly model: string;
}

export const chatUsage = ({ input, output, cached = 0, reasoning = 0 }: Tokens) => ({
  prompt_tokens: input,
  completion_tokens: output,
  total_tokens: input + output,
  prompt_tokens_details: { cached_tokens: cached, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: reasoning, audio_tokens: 0 },
});

export function chatCompletion({ id, model }: Origin, message: object, usage: unknown, finish_reason = "stop"): object {
  const choices = [{ index: 0, message: { role: "assistant", ...message }, logprobs: null, finish_reason }];
  return { id, object: "chat.completion", created: 1, model, choices, usage };
}

export const chatChunk = ({ id, model }: Origin, choices: readonly object[], more: object = {}): string =>
  data({ id, object: "chat.completion.chunk", created: 1, model, choices, ...more });

export const chatDelta = (origin: Origin, delta: object, more: object = {}, finish_reason: string | null = null) =>
  chatChunk(origin, [{ index: 0, delta, logprobs: null, finish_reason }], more);

export const responsesUsage = ({ input, output, cached = 0, reasoning = 0 }: Tokens) => ({
  input_tokens: input,
  input_tokens_details: { cached_tokens: cached, cache_write_tokens: 0 },
  output_tokens: output,
  output_tokens_details: { reasoning_tokens: reasoning },
  total_tokens: input + output,
});

export function responseObject({ id, model }: Origin, status: string, output: readonly object[], usage: unknown) {
  return {
    ...{ id, object: "response", created_at: 1, status, background: false, error: null, metadata: {}, tools: [] },
    incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
    ...{ model, output, service_tier: "default", usage },
  };
}

export const outputText = (text: string) => ({ type: "output_text", text, annotations: [], logprobs: [] });

export const outputMessage = (id: string, text: string) =>
  ({ type: "message", id, status: "completed", role: "assistant", content: [outputText(text)] }) as const;

/** The events of a message's text, piece by piece. */
export function outputTextEvents(item_id: string, output_index: number, pieces: readonly string[]) {
  const place = { item_id, output_index, content_index: 0 };
  return [
    { type: "response.content_part.added", ...place, part: outputText("") },
    ...pieces.map((delta) => ({ type: "response.output_text.delta", ...place, delta, logprobs: [] })),
    { type: "response.output_text.done", ...place, text: pieces.join(""), logprobs: [] },
  ];
}

/** Frames of a Responses stream, numbered as they come. */
export const numbered = (frames: readonly { readonly type: string }[]): readonly string[] =>
  frames.map((frame, sequence_number) => event({ ...frame, sequence_number }));

export function anthropicMessage(
  { id, model }: Origin,
  content: readonly object[],
  stop_reason: string | null,
  usage: object,
) {
  return { id, type: "message", role: "assistant", model, content, stop_reason, stop_sequence: null, usage };
}

/** A content block, delta by delta. */
export function contentBlock(index: number, content_block: object, deltas: readonly object[]): readonly string[] {
  const block = (type: string, fields: object) => event({ type, index, ...fields });
  return [
    block("content_block_start", { content_block }),
    ...deltas.map((delta) => block("content_block_delta", { delta })),
    block("content_block_stop", {}),
  ];
}

export const messageStart = (message: object): string => event({ type: "message_start", message });
export const messageDelta = (usage: object, stop_reason: string | null = "end_turn"): string =>
  event({ type: "message_delta", delta: { stop_reason, stop_sequence: null }, usage });
export const MESSAGE_STOP = event({ type: "message_stop" });

/** Gemini counts thoughts apart from the candidates. */
export const geminiUsage = ({ input, output, cached, reasoning }: Tokens) => ({
  promptTokenCount: input,
  ...(cached && { cachedContentTokenCount: cached }),
  candidatesTokenCount: output - (reasoning ?? 0),
  ...(reasoning && { thoughtsTokenCount: reasoning }),
  totalTokenCount: input + output,
});

export function geminiAnswer(
  { id, model }: Origin,
  parts: readonly object[],
  usageMetadata?: object,
  finishReason?: string,
): object {
  const candidate = { content: { parts, role: "model" }, index: 0, ...(finishReason && { finishReason }) };
  return { candidates: [candidate], ...(usageMetadata && { usageMetadata }), modelVersion: model, responseId: id };
}
