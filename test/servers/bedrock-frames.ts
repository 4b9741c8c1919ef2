import { crc32 } from "node:zlib";

/** Frames of `application/vnd.amazon.eventstream`, and the events that Bedrock runtime sends in them. */

export const EVENTSTREAM = { "content-type": "application/vnd.amazon.eventstream" };

/** One frame. All headers are strings, as those of Bedrock are. */
export function frameOf(headers: Readonly<Record<string, string>>, payload: string | Uint8Array): Buffer {
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => headerOf(name, value)));
  const body = Buffer.from(payload);
  const frame = Buffer.alloc(16 + head.length + body.length);
  frame.writeUInt32BE(frame.length, 0);
  frame.writeUInt32BE(head.length, 4);
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8);
  head.copy(frame, 12);
  body.copy(frame, 12 + head.length);
  frame.writeUInt32BE(crc32(frame.subarray(0, -4)), frame.length - 4);
  return frame;
}

const STRING = 7;

function headerOf(name: string, value: string): Buffer {
  const bytes = Buffer.from(value);
  const head = Buffer.alloc(name.length + 4);
  head.writeUInt8(name.length, 0);
  head.write(name, 1, "latin1");
  head.writeUInt8(STRING, name.length + 1);
  head.writeUInt16BE(bytes.length, name.length + 2);
  return Buffer.concat([head, bytes]);
}

/** An event by its name. `p` pads the payload, as Bedrock does, so that its length tells nothing of the text. */
export function eventFrame(type: string, payload: object): Buffer {
  const headers = { ":event-type": type, ":content-type": "application/json", ":message-type": "event" };
  return frameOf(headers, JSON.stringify({ ...payload, p: "abcdefghijkl" }));
}

/** A modelled exception in the middle of a stream, such as `throttlingException`. */
export function exceptionFrame(type: string, message: string): Buffer {
  const headers = { ":exception-type": type, ":content-type": "application/json", ":message-type": "exception" };
  return frameOf(headers, JSON.stringify({ message }));
}

/** An event of InvokeModelWithResponseStream: the vendor's own JSON in base64. */
export const chunkFrame = (json: object): Buffer =>
  eventFrame("chunk", { bytes: Buffer.from(JSON.stringify(json)).toString("base64") });

/** The usage of Converse: `inputTokens` is without what was read from the cache or written to it. */
export interface ConverseUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly totalTokens: number;
  readonly cacheReadInputTokens?: number;
  readonly cacheWriteInputTokens?: number;
  readonly cacheDetails?: readonly { readonly inputTokens: number; readonly ttl: "5m" | "1h" }[];
}

export function converseAnswer(text: string, usage: ConverseUsage, more: object = {}): object {
  return {
    output: { message: { role: "assistant", content: [{ text }] } },
    stopReason: "end_turn",
    usage,
    metrics: { latencyMs: 12 },
    ...more,
  };
}

/** The events of ConverseStream for a text, piece by piece. */
export function converseEvents(pieces: readonly string[], usage: ConverseUsage, more: object = {}): readonly Buffer[] {
  return [
    eventFrame("messageStart", { role: "assistant" }),
    ...pieces.map((text) => eventFrame("contentBlockDelta", { contentBlockIndex: 0, delta: { text } })),
    eventFrame("contentBlockStop", { contentBlockIndex: 0 }),
    eventFrame("messageStop", { stopReason: "end_turn" }),
    eventFrame("metadata", { usage, metrics: { latencyMs: 12 }, ...more }),
  ];
}

/** Anthropic's events as InvokeModelWithResponseStream sends them. */
export function anthropicChunks(model: string, pieces: readonly string[], usage: object, output: number): Buffer[] {
  const metrics = { inputTokenCount: 1, outputTokenCount: output, invocationLatency: 12, firstByteLatency: 5 };
  const message = { id: "msg_bdrk_1", type: "message", role: "assistant", model, content: [], stop_reason: null };
  return [
    chunkFrame({ type: "message_start", message: { ...message, usage: { ...usage, output_tokens: 1 } } }),
    chunkFrame({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }),
    ...pieces.map((text) => chunkFrame({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } })),
    chunkFrame({ type: "content_block_stop", index: 0 }),
    chunkFrame({ type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: output } }),
    chunkFrame({ type: "message_stop", "amazon-bedrock-invocationMetrics": metrics }),
  ];
}
