import type { Visit } from "../servers/model-server.ts";
import { handStream, type StreamBody, streamOf, type WholeBody, wholeOf } from "./bodies.ts";
import { CHAT, RESPONSES } from "./dialects.ts";
import { recorded } from "./recorded.ts";

/** OpenAI reports the usage of a chat stream only to those who ask. */
function asAsked(frames: readonly string[], visit: Visit): readonly string[] {
  const asked = JSON.parse(visit.body) as { stream_options?: { include_usage?: boolean } };
  if (asked.stream_options?.include_usage === true) return frames;
  return frames.filter((frame) => !frame.includes('"choices":[]')).map((frame) => frame.replace(',"usage":null', ""));
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
