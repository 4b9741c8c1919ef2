import fc from "fast-check";
import { describe, expect } from "vitest";
import { newReading } from "../../src/meter/wire/formats/format.ts";
import * as formats from "../../src/meter/wire/formats/registry.ts";
import { newSocketState } from "../../src/meter/wire/sockets/socket-messages.ts";
import { anyJson, fuzz, replaced } from "./fuzz.ts";

const USAGE = { total_tokens: 9, input_tokens: 5, output_tokens: 4, input_token_details: { audio_tokens: 3 } };
const PARTS = [{ text: "Hi" }, { functionCall: { name: "a", args: {} } }];

/** One of each kind of message that a format reads, sent or received. */
const EXAMPLES: Readonly<Record<string, readonly object[]>> = {
  "openai-realtime": [
    { type: "session.update", session: { model: "gpt-realtime", max_output_tokens: 9, tools: [] } },
    { type: "response.create", response: { instructions: "Hi" } },
    { type: "conversation.item.create", item: { type: "message", content: [{ type: "input_text", text: "Hi" }] } },
    { type: "input_audio_buffer.append", audio: "AAAA" },
    { type: "response.created", response: { id: "r" } },
    { type: "response.output_audio.delta", response_id: "r", delta: "AAAA" },
    { type: "response.output_item.done", response_id: "r", item: { type: "function_call", name: "a" } },
    { type: "response.done", response: { id: "r", status: "completed", usage: USAGE } },
    { type: "conversation.item.input_audio_transcription.completed", usage: { type: "tokens", ...USAGE } },
    { type: "error", error: { event_id: "e" } },
  ],
  "gemini-live": [
    { setup: { model: "models/gemini-live", generationConfig: { maxOutputTokens: 9 }, tools: [] } },
    { clientContent: { turns: [{ role: "user", parts: PARTS }], turnComplete: true } },
    { realtimeInput: { audio: { data: "AAAA", mimeType: "audio/pcm;rate=16000" } } },
    { serverContent: { modelTurn: { parts: PARTS }, turnComplete: true }, usageMetadata: { promptTokenCount: 5 } },
    { toolCall: { functionCalls: [{ name: "a", args: {} }] } },
  ],
  "openai-responses": [
    { type: "response.create", model: "gpt-5", input: "Hi", generate: false },
    { type: "response.completed", response: { id: "r", status: "completed", usage: USAGE } },
  ],
};

const overSockets = Object.values(formats).flatMap((format) => (format.socket ? [[format.name, format] as const] : []));

describe.each(overSockets)("messages of %s", (name, format) => {
  const { socket } = format;
  const examples = (EXAMPLES[name] ?? []).map((example) => replaced(example));

  fuzz("in any order, with anything in them", fc.array(fc.oneof(anyJson, ...examples), { maxLength: 12 }), (list) => {
    const state = newSocketState(socket?.modelOf("wss://example.com/?model=m"));
    const reading = newReading(undefined);
    for (const message of list) {
      if (typeof message !== "object" || message === null || Array.isArray(message)) continue;
      const text = JSON.stringify(message);
      socket?.isQuiet?.(text.slice(0, 200), text.length, state);
      socket?.audio?.(text.slice(0, 200), text.length, state);
      socket?.sent(message as never, state);
      socket?.received(message as never, state);
      format.readFrame(message as never, "", reading);
    }
    const { visible, callBytes, thought, toolCalls, audio, usage } = reading;
    const counts = [visible, callBytes, thought, toolCalls, audio, ...Object.values(usage ?? {})];
    for (const count of counts) if (typeof count !== "object") expect(Number(count)).toBeGreaterThanOrEqual(0);
    for (const count of [state.knownTokens, state.addedBytes, state.addedAudio]) {
      expect(Number.isFinite(count) && count >= 0).toBe(true);
    }
  });
});
