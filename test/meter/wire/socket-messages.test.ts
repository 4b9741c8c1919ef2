import { describe, expect, test } from "vitest";
import { newReading } from "../../../src/meter/wire/formats/format.ts";
import { geminiLive, openaiRealtime } from "../../../src/meter/wire/formats/registry.ts";
import { newSocketState } from "../../../src/meter/wire/sockets/socket-messages.ts";

describe("names and arguments of tool calls count as such, not as text", () => {
  test.each([
    [
      "Realtime",
      openaiRealtime,
      [
        { type: "response.output_item.added", item: { type: "function_call", name: "search" } },
        { type: "response.function_call_arguments.delta", response_id: "r", delta: '{"q":"sea"}' },
      ],
    ],
    ["Live", geminiLive, [{ toolCall: { functionCalls: [{ name: "search", args: { q: "sea" } }] } }]],
  ] as const)("%s", (_name, format, frames) => {
    const reading = newReading(undefined);
    for (const frame of frames) format.readFrame(frame as never, "", reading);
    expect(reading).toMatchObject({ visible: 0, callBytes: "search".length + '{"q":"sea"}'.length, toolCalls: 1 });
  });
});

describe("a second of speech is as many tokens in each format", () => {
  const append = (bytes: number): string =>
    JSON.stringify({ type: "input_audio_buffer.append", audio: "A".repeat((bytes * 4) / 3) });
  const delta = (bytes: number): string =>
    JSON.stringify({ type: "response.output_audio.delta", response_id: "r", delta: "A".repeat((bytes * 4) / 3) });

  test.each([
    ["PCM", {}, 48_000],
    ["G.711 in the beta", { input_audio_format: "g711_ulaw", output_audio_format: "g711_alaw" }, 8_000],
    [
      "G.711 since",
      { audio: { input: { format: { type: "audio/pcmu" } }, output: { format: { type: "audio/pcma" } } } },
      8_000,
    ],
  ])("%s", (_name, session, bytes) => {
    const { socket } = openaiRealtime;
    const state = newSocketState("gpt-realtime");
    socket?.sent({ type: "session.update", session } as never, state);
    const seconds = 60;
    const [heard, spoken] = [append(bytes * seconds), delta(bytes * seconds)];
    socket?.isQuiet?.(heard.slice(0, 400), heard.length, state);
    expect(state.addedAudio).toBeCloseTo(600, 0);
    expect(socket?.audio?.(spoken.slice(0, 400), spoken.length, state)?.tokens).toBeCloseTo(1_200, 0);
  });
});

test("a session that only transcribes names its model in the beta too", () => {
  const state = newSocketState(undefined);
  const session = { input_audio_transcription: { model: "gpt-4o-transcribe" } };
  openaiRealtime.socket?.received({ type: "transcription_session.updated", session } as never, state);
  expect(state.transcriber).toBe("gpt-4o-transcribe");
});

test("limit and tools of a session hold for the responses that the server begins", () => {
  const state = newSocketState("gpt-realtime");
  const tools = [{ type: "function", name: "search", parameters: {} }];
  openaiRealtime.socket?.sent({ type: "session.update", session: { max_output_tokens: 300, tools } } as never, state);
  expect(state.maxOutput).toBe(300);
  expect(state.tools).toBeDefined();
  openaiRealtime.socket?.sent({ type: "session.update", session: { max_output_tokens: "inf" } } as never, state);
  expect(state.maxOutput).toBeUndefined();
});
