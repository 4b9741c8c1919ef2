import {
  type Dialect,
  type Frame,
  type Job,
  type Json,
  joined,
  newId,
  newJob,
  obfuscation,
  readCachedPrefix,
  reasoningTokens,
  textOf,
} from "./job.ts";
import { openaiError } from "./openai-chat.ts";
import { inputOf } from "./prices.ts";

export const openaiResponses: Dialect = {
  path: "/v1/responses",
  open(request, seen) {
    const input = request.input;
    const items = (Array.isArray(input) ? input : []) as readonly Json[];
    const first = items.filter((item) => item.role === "system" || item.role === "developer");
    const beginning = joined(textOf(request.instructions), textOf(first));
    const job = newJob({
      prefix: "resp_",
      request,
      prompt: joined(textOf(request.instructions), textOf(input)),
      limit: request.max_output_tokens,
      reasoning: reasoningTokens((request.reasoning as Json | undefined)?.effort),
    });
    readCachedPrefix(job, beginning, seen);
    return job;
  },
  frames,
  whole(job) {
    job.tokens.reasoning = job.reasoning;
    job.tokens.output = job.reasoning + job.reply.length;
    const output = [...reasoningItems(job), messageItem(job, newId("msg_"), "completed")];
    return response(job, endStatus(job), output);
  },
  error: openaiError,
};

function* frames(job: Job): Generator<Frame> {
  let sequence = 0;
  const event = (type: string, fields: Json, terminal = false): Frame => ({
    wire: `event: ${type}\ndata: ${JSON.stringify({ type, ...fields, sequence_number: sequence++ })}\n\n`,
    terminal,
  });
  const output: Json[] = [];
  yield event("response.created", { response: response(job, "in_progress", []) });
  yield event("response.in_progress", { response: response(job, "in_progress", []) });
  job.tokens.reasoning = job.reasoning;
  job.tokens.output = job.reasoning;
  for (const item of reasoningItems(job)) {
    yield event("response.output_item.added", { output_index: output.length, item });
    yield event("response.output_item.done", { output_index: output.length, item });
    output.push(item);
  }

  const id = newId("msg_");
  const place = { item_id: id, output_index: output.length, content_index: 0 };
  const empty = { type: "output_text", annotations: [], logprobs: [], text: "" };
  const opened = { id, type: "message", status: "in_progress", content: [], role: "assistant" };
  yield event("response.output_item.added", { output_index: output.length, item: opened });
  yield event("response.content_part.added", { ...place, part: empty });
  for (const token of job.reply) {
    job.tokens.output += 1;
    yield event("response.output_text.delta", {
      ...place,
      delta: token,
      logprobs: [],
      obfuscation: obfuscation(token),
    });
  }
  const text = job.reply.join("");
  yield event("response.output_text.done", { ...place, text, logprobs: [] });
  yield event("response.content_part.done", { ...place, part: { ...empty, text } });
  const item = messageItem(job, id, endStatus(job));
  yield event("response.output_item.done", { output_index: output.length, item });
  output.push(item);
  const status = endStatus(job);
  yield event(`response.${status}`, { response: response(job, status, output) }, true);
}

type Status = "in_progress" | "completed" | "incomplete";

function endStatus(job: Job): Status {
  return job.limited ? "incomplete" : "completed";
}

function reasoningItems(job: Job): readonly Json[] {
  return job.reasoning > 0 ? [{ id: newId("rs_"), type: "reasoning", summary: [] }] : [];
}

function messageItem(job: Job, id: string, status: Status): Json {
  const content = [{ type: "output_text", annotations: [], logprobs: [], text: job.reply.join("") }];
  return { id, type: "message", status, content, role: "assistant" };
}

function response(job: Job, status: Status, output: readonly Json[]): Json {
  const { request } = job;
  const ended = status !== "in_progress";
  return {
    id: job.id,
    object: "response",
    created_at: job.created,
    status,
    background: false,
    completed_at: ended ? Math.floor(Date.now() / 1000) : null,
    error: null,
    incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    metadata: {},
    model: job.served,
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: (request.reasoning as Json | undefined)?.effort ?? "medium", summary: null },
    service_tier: ended ? job.tier : "auto",
    store: true,
    temperature: 1,
    text: { format: { type: "text" }, verbosity: "medium" },
    tool_choice: "auto",
    tools: [],
    top_p: 1,
    truncation: "disabled",
    usage: ended ? usageOf(job) : null,
    user: null,
  };
}

function usageOf({ tokens }: Job): Json {
  const input = inputOf(tokens);
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: tokens.cacheRead, cache_write_tokens: 0 },
    output_tokens: tokens.output,
    output_tokens_details: { reasoning_tokens: tokens.reasoning },
    total_tokens: input + tokens.output,
  };
}
