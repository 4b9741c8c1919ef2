import { amount, array, type Json, object, text } from "../../../core/json.ts";
import { canonicalUsage, count, type Usage } from "../../../core/usage.ts";
import { measureAll, wireLength } from "../text.ts";
import { type Reading, type RequestFacts, report, type WireFormat } from "./format.ts";

/** Where hosts put the tokens read from a cache, in the order of trust. */
const CACHE_READ: readonly (readonly [parent: string, key: string])[] = [
  ["prompt_tokens_details", "cached_tokens"],
  ["prompt_token_details", "cached_tokens"],
  ["", "num_cached_tokens"],
  ["", "cached_tokens"],
  ["", "prompt_cache_hit_tokens"],
  ["", "cache_read_input_tokens"],
];

const CACHE_WRITE: readonly (readonly [parent: string, key: string])[] = [
  ["prompt_tokens_details", "cache_write_tokens"],
  ["", "cache_creation_input_tokens"],
];

const REASONING: readonly (readonly [parent: string, key: string])[] = [
  ["completion_tokens_details", "reasoning_tokens"],
  ["", "reasoning_tokens"],
];

/** OpenAI chat completions, spoken by most hosts. */
export const openaiChat: WireFormat = {
  name: "openai-chat",
  operation: "chat",
  provider: "openai",
  deltaKeys: ['"content":"', '"arguments":"', '"reasoning_content":"', '"reasoning":"'],
  strictDeltas: true,

  matches: (method, path) => method === "POST" && path.endsWith("/chat/completions"),

  readRequest(body): RequestFacts | undefined {
    if (!Array.isArray(body.messages)) return undefined;
    const measured = measureAll(body.messages, body.response_format);
    const stream = body.stream === true;
    const asked = object(body.stream_options)?.include_usage;
    return {
      model: text(body.model),
      stream,
      inputBytes: measured.bytes,
      attachments: measured.attachments,
      toolBytes: measureAll(body.tools, body.functions).bytes,
      maxOutput: amount(body.max_completion_tokens) ?? amount(body.max_tokens),
      tier: text(body.service_tier),
      lacksUsage: stream && asked !== true,
      hasStreamOptions: body.stream_options !== undefined,
      metadata: object(body.metadata),
      user: text(body.user) ?? text(body.safety_identifier),
    };
  },

  readBody(body, reading) {
    const json = object(body);
    if (!json) return;
    readEnvelope(json, reading);
    for (const choice of array(json.choices)) {
      const message = object(object(choice)?.message);
      if (message) countOutput(message, reading);
    }
    if (json.choices !== undefined) reading.finished = true;
    readUsage(json, reading);
  },

  readFrame(frame, event, reading) {
    readEnvelope(frame, reading);
    if (event === "error") reading.failed = true;
    const choices = array(frame.choices);
    let ordinary = choices.length === 1 && !reading.failed;
    for (const item of choices) {
      const choice = object(item);
      const delta = object(choice?.delta);
      if (delta) countOutput(delta, reading);
      else ordinary = false;
      if (choice?.finish_reason !== null && choice?.finish_reason !== undefined) {
        reading.finished = true;
        ordinary = false;
      }
    }
    const reported = readUsage(frame, reading);
    if (reported && (reading.finished || choices.length === 0)) reading.terminal = true;
    return ordinary && !reported;
  },
};

function readEnvelope(json: Json, reading: Reading): void {
  if (json.choices !== undefined || json.usage !== undefined) reading.recognized = true;
  reading.responseId ??= text(json.id);
  const model = text(json.model);
  if (model) reading.model = model;
  const tier = text(json.service_tier);
  if (tier) reading.tier = tier;
  if (object(json.error) || text(json.error)) reading.failed = true;
}

function countOutput(delta: Json, reading: Reading): void {
  if (Array.isArray(delta.content)) {
    // Mistral writes reasoning and text as parts of one array.
    for (const item of delta.content) {
      const part = object(item);
      if (part?.type === "thinking") {
        for (const thought of array(part.thinking)) reading.thought += wireLength(object(thought)?.text);
      } else reading.visible += wireLength(part?.text);
    }
  } else reading.visible += wireLength(delta.content);
  reading.visible += wireLength(delta.refusal);
  reading.thought += wireLength(delta.reasoning_content) || wireLength(delta.reasoning);
  for (const item of array(delta.tool_calls)) {
    const call = object(object(item)?.function);
    // The name comes once, with the first piece of a call.
    if (text(call?.name)) reading.toolCalls += 1;
    reading.visible += wireLength(call?.name) + wireLength(call?.arguments);
  }
  const legacy = object(delta.function_call);
  if (legacy) reading.visible += wireLength(legacy.name) + wireLength(legacy.arguments);
}

/** Reads `usage` where it is: at the top, or in Groq's own member. Null, absent and empty are no report. */
function readUsage(json: Json, reading: Reading): boolean {
  const raw = object(json.usage) ?? object(object(json.x_groq)?.usage);
  if (!raw || (raw.prompt_tokens === undefined && raw.completion_tokens === undefined)) return false;
  report(reading, usageOf(raw, reading.host?.reasoningApart === true));
  const fee = amount(raw.cost);
  if (fee !== undefined) {
    // With the caller's own vendor key, `cost` is only the gateway's fee.
    const upstream = raw.is_byok === true ? amount(object(raw.cost_details)?.upstream_inference_cost) : 0;
    reading.costUsd = upstream === undefined ? undefined : fee + upstream;
  }
  return true;
}

function usageOf(raw: Json, reasoningApart: boolean): Usage {
  const prompt = count(raw.prompt_tokens);
  const completion = count(raw.completion_tokens);
  const reasoning = first(raw, REASONING);
  const cacheRead = first(raw, CACHE_READ);
  const total = count(raw.total_tokens);
  // The vendor's own total tells whether reasoning is in the output; the host's row decides where it is silent.
  const apart = total > 0 ? total === prompt + completion + reasoning : reasoningApart;
  return canonicalUsage({
    // More cache than prompt: this host counts them apart.
    input: cacheRead > prompt ? prompt + cacheRead : prompt,
    output: apart ? completion + reasoning : completion,
    cacheRead,
    cacheWrite: first(raw, CACHE_WRITE),
    reasoning,
    webSearches: count(object(raw.server_tool_use)?.web_search_requests),
    inputAudio: count(object(raw.prompt_tokens_details)?.audio_tokens),
    outputAudio: count(object(raw.completion_tokens_details)?.audio_tokens),
  });
}

function first(raw: Json, places: readonly (readonly [string, string])[]): number {
  for (const [parent, key] of places) {
    const value = parent === "" ? raw[key] : object(raw[parent])?.[key];
    if (typeof value === "number") return count(value);
  }
  return 0;
}
