import { madeUp } from "../recordings/made-up.ts";
import type { Visit } from "../servers/model-server.ts";
import { type Bodies, handStream, ofRecording, type StreamBody, streamOf, type WholeBody, wholeOf } from "./bodies.ts";
import { CHAT, RESPONSES } from "./dialects.ts";

/** OpenAI reports the usage of a chat stream only to those who ask. */
function asAsked(frames: readonly string[], visit: Visit): readonly string[] {
  const asked = JSON.parse(visit.body) as { stream_options?: { include_usage?: boolean } };
  if (asked.stream_options?.include_usage === true) return frames;
  return frames.filter((frame) => !frame.includes('"choices":[]')).map((frame) => frame.replace(',"usage":null', ""));
}

const TOOLS = "test_tool_search/";
const FINISHED = '"finish_reason":"stop"';
const COMPLETED = '"response.completed"';

export const chatStream: Bodies<StreamBody> = {
  madeUp: () => {
    const cut = { marker: '" sea"', shown: "The river meets the sea", lastMarker: FINISHED };
    return streamOf(CHAT, madeUp("openai-chat", "stream"), cut, asAsked);
  },
  recorded: ofRecording("test_dbos/test_dbos_model_stream_direct.yaml#0", (recording) => {
    const cut = { marker: '" Mexico"', shown: "The capital of Mexico", lastMarker: FINISHED };
    return streamOf(CHAT, recording, cut, asAsked);
  }),
};

const calling = { toolCalls: 1, lastMarker: '"finish_reason":"tool_calls"' };

export const chatToolStream: Bodies<StreamBody> = {
  madeUp: () => {
    const cut = { ...calling, marker: '"Hey"', shown: 'tide_table{"town":"Hey' };
    return streamOf(CHAT, madeUp("openai-chat", "stream, tools"), cut, asAsked);
  },
  recorded: ofRecording("test_temporal/test_complex_agent_run.yaml#1", (recording) => {
    const cut = { ...calling, marker: '"Mexico"', shown: 'get_weather{"city":"Mexico' };
    return streamOf(CHAT, recording, cut, asAsked);
  }),
};

/** Two answers at once, frame by frame in turn. */
export const chatTwoStream: Bodies<StreamBody> = { madeUp: twoStream };

function twoStream(): StreamBody {
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

const chatOf = (recording: Parameters<typeof wholeOf>[1]) => wholeOf(CHAT, recording);

export const chatWhole: Bodies<WholeBody> = {
  madeUp: () => chatOf(madeUp("openai-chat", "whole")),
  recorded: ofRecording("test_dbos/test_dbos_agent_run_sync.yaml#0", chatOf),
};

export const chatToolWhole: Bodies<WholeBody> = {
  madeUp: () => chatOf(madeUp("openai-chat", "whole, tools")),
  recorded: ofRecording("test_dbos/test_dbos_agent_with_model_retry.yaml#0", chatOf),
};

/** With tokens that were read from a cache and tokens of reasoning. */
export const chatTwoWhole: Bodies<WholeBody> = { madeUp: twoWhole };

function twoWhole(): WholeBody {
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

export const responsesStream: Bodies<StreamBody> = {
  madeUp: () => {
    const cut = { marker: '" sea"', shown: "The river meets the sea", lastMarker: COMPLETED };
    return streamOf(RESPONSES, madeUp("openai-responses", "stream"), cut);
  },
  recorded: ofRecording(`${TOOLS}test_openai_native_tool_search_streaming.yaml#1`, (recording) => {
    const cut = { marker: '" EUR"', shown: "1 USD = 0.92 EUR", lastMarker: COMPLETED };
    return streamOf(RESPONSES, recording, cut);
  }),
};

export const responsesToolStream: Bodies<StreamBody> = {
  madeUp: () => {
    const cut = { marker: '"delta":"Hey"', shown: 'tide_table{"town":"Hey', toolCalls: 1, lastMarker: COMPLETED };
    return streamOf(RESPONSES, madeUp("openai-responses", "stream, tools"), cut);
  },
  recorded: ofRecording(`${TOOLS}test_openai_native_tool_search_streaming.yaml#0`, (recording) => {
    const shown = 'get_exchange_rate{"from_currency":"USD","to_currency":"EUR';
    return streamOf(RESPONSES, recording, { marker: '"delta":"EUR"', shown, toolCalls: 2, lastMarker: COMPLETED });
  }),
};

const MATRIX = "test_multimodal_tool_returns/test_multimodal_tool_return_matrix";
const responseOf = (recording: Parameters<typeof wholeOf>[1]) => wholeOf(RESPONSES, recording);

export const responsesWhole: Bodies<WholeBody> = {
  madeUp: () => responseOf(madeUp("openai-responses", "whole")),
  recorded: ofRecording(`${MATRIX}[direct-uploaded_file-image-openai_responses].yaml#0`, responseOf),
};
