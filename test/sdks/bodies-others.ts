import { madeUp } from "../recordings/made-up.ts";
import { type Bodies, handStream, ofRecording, type StreamBody, streamOf, type WholeBody, wholeOf } from "./bodies.ts";
import { ANTHROPIC, GOOGLE } from "./dialects.ts";

const LAST_DELTA = '"message_delta"';

export const anthropicStream: Bodies<StreamBody> = {
  madeUp: () => {
    const cut = { marker: "meets the sea", shown: "The river meets the sea", soFar: { input: 21 } };
    return streamOf(ANTHROPIC, madeUp("anthropic-messages", "stream"), { ...cut, lastMarker: LAST_DELTA });
  },
  recorded: ofRecording("test_tool_search/test_anthropic_native_tool_search_streaming.yaml#1", (recording) => {
    const shown = "The current exchange rate is **1 USD = 0.92 EUR**. This means that for every US Dollar";
    const cut = { marker: "every US Dollar", shown, soFar: { input: 1007 }, lastMarker: LAST_DELTA };
    return streamOf(ANTHROPIC, recording, cut);
  }),
};

/** Half of the prompt comes from a cache, and a tool is called. */
export const anthropicToolStream: Bodies<StreamBody> = { madeUp: toolStream };

function toolStream(): StreamBody {
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
      lastMarker: LAST_DELTA,
    },
  );
}

const CACHED = "test_anthropic_mid_conversation_system/test_inline_system_prompt_cache_prefix_is_reused.yaml";

export const anthropicWhole: Bodies<WholeBody> = {
  madeUp: () => wholeOf(ANTHROPIC, madeUp("anthropic-messages", "whole")),
  recorded: ofRecording(`${CACHED}#1`, (recording) => wholeOf(ANTHROPIC, recording)),
};

export const googleStream: Bodies<StreamBody> = {
  madeUp: () => {
    const soFar = { input: 11, output: 43, reasoning: 40 };
    const cut = { marker: "The river meets", shown: "The river meets", soFar, lastMarker: '"STOP"' };
    return streamOf(GOOGLE, madeUp("google-generate", "stream"), cut);
  },
  recorded: ofRecording("test_structured_output/test_native_output_with_function_tools_stream.yaml#1", (recording) => {
    const soFar = { input: 59, output: 38, reasoning: 30 };
    const cut = { marker: "Mexico", shown: '{\n  "city": "Mexico', soFar, lastMarker: '"STOP"' };
    return streamOf(GOOGLE, recording, cut);
  }),
};

export const googleWhole: Bodies<WholeBody> = {
  madeUp: () => wholeOf(GOOGLE, madeUp("google-generate", "whole")),
  recorded: ofRecording("test_google/test_google_dict_with_additional_properties_native_output.yaml#0", (recording) =>
    wholeOf(GOOGLE, recording),
  ),
};
