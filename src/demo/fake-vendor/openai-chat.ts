import {
  type Dialect,
  type Frame,
  type Job,
  type Json,
  newJob,
  obfuscation,
  readCachedPrefix,
  reasoningTokens,
  textOf,
} from "./job.ts";
import { inputOf } from "./prices.ts";

export const openaiChat: Dialect = {
  path: "/v1/chat/completions",
  open(request, seen) {
    const messages = (request.messages ?? []) as readonly Json[];
    const job = newJob({
      prefix: "chatcmpl-",
      request,
      prompt: textOf(messages),
      limit: request.max_completion_tokens ?? request.max_tokens,
      reasoning: reasoningTokens(request.reasoning_effort),
    });
    const first = messages.filter((message) => message.role === "system" || message.role === "developer");
    readCachedPrefix(job, textOf(first), seen);
    return job;
  },
  frames,
  whole(job) {
    job.tokens.reasoning = job.reasoning;
    job.tokens.output = job.reasoning + job.reply.length;
    const message = { role: "assistant", content: job.reply.join(""), refusal: null, annotations: [] };
    return {
      id: job.id,
      object: "chat.completion",
      created: job.created,
      model: job.served,
      choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason(job) }],
      usage: usageOf(job),
      service_tier: job.tier,
      system_fingerprint: null,
    };
  },
  error: openaiError,
};

export function openaiError(status: number, message: string): Json {
  if (status === 429) return { error: { message, type: "requests", param: null, code: "rate_limit_exceeded" } };
  const code = status === 404 ? "model_not_found" : null;
  return { error: { message, type: "invalid_request_error", param: null, code } };
}

function* frames(job: Job): Generator<Frame> {
  const options = (job.request.stream_options ?? {}) as Json;
  const asked = options.include_usage === true;
  const chunk = (choices: readonly Json[], usage: Json | null, hidden: string): Frame => {
    const body = {
      id: job.id,
      object: "chat.completion.chunk",
      created: job.created,
      model: job.served,
      service_tier: job.tier,
      system_fingerprint: null,
      choices,
      // Without `include_usage` there is no `usage` at all, with it every chunk but the last has null.
      ...(asked ? { usage } : {}),
      ...(options.include_obfuscation === false ? {} : { obfuscation: hidden }),
    };
    return { wire: `data: ${JSON.stringify(body)}\n\n` };
  };
  const delta = (content: Json, finish: string | null, token: string): Frame =>
    chunk([{ index: 0, delta: content, logprobs: null, finish_reason: finish }], null, obfuscation(token));

  job.tokens.reasoning = job.reasoning;
  job.tokens.output = job.reasoning;
  yield delta({ role: "assistant", content: "", refusal: null }, null, "");
  for (const token of job.reply) {
    job.tokens.output += 1;
    yield delta({ content: token }, null, token);
  }
  yield delta({}, finishReason(job), "");
  if (asked) yield chunk([], usageOf(job), "");
  yield { wire: "data: [DONE]\n\n", terminal: true };
}

function finishReason(job: Job): string {
  return job.limited ? "length" : "stop";
}

function usageOf({ tokens }: Job): Json {
  const input = inputOf(tokens);
  return {
    prompt_tokens: input,
    completion_tokens: tokens.output,
    total_tokens: input + tokens.output,
    prompt_tokens_details: { cached_tokens: tokens.cacheRead, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: tokens.reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}
