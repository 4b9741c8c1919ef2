import { amount, array, type Json, object, text } from "../../../core/json.ts";
import { canonicalUsage, count, type Usage } from "../../../core/usage.ts";
import { effortOf } from "../content/effort.ts";
import { shapeOf } from "../content/tools.ts";
import { openaiRefusal } from "../openai-error.ts";
import { chatRates } from "../rates.ts";
import { readCost } from "../reported-cost.ts";
import { measureAll, measureTurns, wireLength } from "../text.ts";
import {
  readCounts,
  readExecutedTools,
  readInvocations,
  readToolUsage,
  type SearchRequest,
  setUses,
  toolsOf,
} from "../tools/server-tools.ts";
import { type ModelUsage, type Reading, type RequestFacts, report, type WireFormat } from "./format.ts";

/** OpenAI chat completions, spoken by most hosts. */
export const openaiChat: WireFormat = {
  name: "openai-chat",
  operation: "chat",
  provider: "openai",
  deltaKeys: ['"content":"', '"arguments":"', '"reasoning_content":"', '"reasoning":"'],
  strictDeltas: true,

  endpoints: [{ method: "POST", path: "/chat/completions", evidence: {} }],
  rates: chatRates,
  refusal: openaiRefusal,
  settings: { limits },

  readRequest(body): RequestFacts | undefined {
    if (!Array.isArray(body.messages)) return undefined;
    const measured = measureAll(body.response_format);
    const fixedBytes = measured.content;
    const turns = measureTurns(body.messages, fixedBytes, measured);
    const stream = body.stream === true;
    const asked = object(body.stream_options)?.include_usage;
    return {
      model: text(body.model),
      stream,
      inputBytes: measured.bytes,
      attachments: measured.attachments,
      fixedBytes,
      turns,
      toolBytes: body.tools || body.functions ? measureAll(body.tools, body.functions).bytes : 0,
      tools: body.tools || body.functions ? shapeOf(body.tools ?? body.functions) : undefined,
      effort: effortOf(body.reasoning_effort ?? object(body.reasoning)?.effort),
      maxOutput: amount(body.max_completion_tokens) ?? amount(body.max_tokens),
      tier: text(body.service_tier),
      lacksUsage: stream && asked !== true,
      hasStreamOptions: body.stream_options !== undefined,
      metadata: object(body.metadata),
      user: text(body.user) ?? text(body.safety_identifier),
      search: body.web_search_options ? searchOf(object(body.web_search_options)) : undefined,
    };
  },

  readBody(body, reading) {
    const json = object(body);
    if (!json) return;
    readEnvelope(json, reading);
    for (const choice of array(json.choices) as readonly (Json | null | undefined)[]) {
      const message = object(choice?.message);
      if (message) {
        countOutput(message, reading);
        if (message.provider_metadata !== undefined) readCost(undefined, message, reading);
      }
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
      if (delta) {
        countOutput(delta, reading);
        if (delta.provider_metadata !== undefined) readCost(undefined, delta, reading);
      } else ordinary = false;
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

function searchOf(options: Json | undefined): SearchRequest {
  return { contextSize: text(options?.search_context_size), kind: text(options?.search_type) };
}

function readEnvelope(json: Json, reading: Reading): void {
  if (json.choices !== undefined || json.usage !== undefined) reading.recognized = true;
  reading.responseId ??= text(json.id);
  reading.model = text(json.model) ?? reading.model;
  if (json.service_tier) reading.tier = text(json.service_tier) ?? reading.tier;
  if (json.error && (object(json.error) || text(json.error))) reading.failed = true;
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
  } else if (delta.content) reading.visible += wireLength(delta.content);
  if (delta.refusal) reading.visible += wireLength(delta.refusal);
  if (delta.reasoning_content || delta.reasoning) {
    reading.thought += wireLength(delta.reasoning_content) || wireLength(delta.reasoning);
  }
  if (delta.tool_calls) {
    for (const item of array(delta.tool_calls)) {
      const call = object(object(item)?.function);
      // The name comes once, with the first piece of a call.
      if (text(call?.name)) reading.toolCalls += 1;
      reading.callBytes += wireLength(call?.name) + wireLength(call?.arguments);
      // Moonshot runs its own search when the model calls it.
      if (call?.name === "$web_search") toolsOf(reading).searches += 1;
    }
  }
  if (delta.executed_tools) readExecutedTools(delta.executed_tools, reading);
  if (delta.function_call) countLegacyCall(object(delta.function_call), reading);
}

function countLegacyCall(call: Json | undefined, reading: Reading): void {
  if (text(call?.name)) reading.toolCalls += 1;
  reading.callBytes += wireLength(call?.name) + wireLength(call?.arguments);
}

/** Reads `usage` at the top, in Groq's own member, or in Moonshot's last choice. Null and empty are no report. */
function readUsage(json: Json, reading: Reading): boolean {
  const raw =
    object(json.usage) ??
    (json.x_groq ? object(object(json.x_groq)?.usage) : object(object(array(json.choices)[0])?.usage));
  readCost(raw, json, reading);
  if (!raw || (raw.prompt_tokens === undefined && raw.completion_tokens === undefined)) return false;
  readTools(raw, reading);
  const usage = usageOf(raw, reading.host?.reasoningApart === true);
  report(reading, usage);
  const breakdown = json.usage_breakdown ?? (json.x_groq ? object(json.x_groq)?.usage_breakdown : undefined);
  if (breakdown) reading.parts = partsOf(object(breakdown), usage);
  return true;
}

/** Groq's systems report the models that worked in a call, each with its own price. */
function partsOf(breakdown: Json | undefined, whole: Usage): readonly ModelUsage[] | undefined {
  const parts: ModelUsage[] = [];
  let tokens = 0;
  for (const item of array(breakdown?.models)) {
    const raw = object(object(item)?.usage);
    const model = text(object(item)?.model);
    if (raw === undefined || model === undefined) return undefined;
    const usage = usageOf(raw, false);
    tokens += usage.input + usage.output;
    parts.push({ model, usage });
  }
  // Parts of something else than the whole are no prices of it.
  return tokens > 0 && tokens === whole.input + whole.output ? parts : undefined;
}

/** What Perplexity, xAI and Mistral (whose tools are connectors) count beside tokens. Others' usage has none of it. */
function readTools(raw: Json, reading: Reading): void {
  if (raw.citation_tokens !== undefined) setUses(reading, "citation_tokens", count(raw.citation_tokens));
  if (raw.num_search_queries !== undefined) toolsOf(reading).searches = count(raw.num_search_queries);
  if (raw.search_context_size !== undefined) toolsOf(reading).contextSize = text(raw.search_context_size);
  if (raw.server_side_tool_usage_details !== undefined || raw.server_side_tool_usage !== undefined) {
    readToolUsage(raw, reading);
  } else if (raw.num_sources_used) setUses(reading, "search_source", count(raw.num_sources_used));
  if (raw.prompt_audio_seconds) setUses(reading, "audio_seconds", count(raw.prompt_audio_seconds));
  if (raw.connector_tokens) setUses(reading, "connector_tokens", count(raw.connector_tokens));
  if (raw.connectors) readCounts(object(raw.connectors), reading);
  if (raw.tool_calls_details) readInvocations(object(raw.tool_calls_details), reading);
}

function usageOf(raw: Json, reasoningApart: boolean): Usage {
  const prompt = count(raw.prompt_tokens);
  const completion = count(raw.completion_tokens);
  const total = count(raw.total_tokens);
  const input = raw.prompt_tokens_details ? object(raw.prompt_tokens_details) : undefined;
  const output = raw.completion_tokens_details ? object(raw.completion_tokens_details) : undefined;
  const reasoning = firstCount(output?.reasoning_tokens, raw.reasoning_tokens);
  // Where hosts put the tokens read from a cache, in the order of trust.
  const cacheRead = firstCount(
    input?.cached_tokens,
    raw.prompt_token_details && object(raw.prompt_token_details)?.cached_tokens,
    raw.num_cached_tokens,
    raw.cached_tokens,
    raw.prompt_cache_hit_tokens,
    raw.cache_read_input_tokens,
  );
  // Perplexity's total leaves the reasoning of deep research out, and so does its completion.
  const isResearch = raw.citation_tokens !== undefined || reasoning > completion;
  // The vendor's total shows whether reasoning is in the output; without it the host's row decides.
  const apart = isResearch || (total > 0 ? total === prompt + completion + reasoning : reasoningApart);
  return canonicalUsage({
    // More cache than prompt: this host counts them apart.
    input: cacheRead > prompt ? prompt + cacheRead : prompt,
    output: apart ? completion + reasoning : completion,
    cacheRead,
    cacheWrite: firstCount(input?.cache_write_tokens, raw.cache_creation_input_tokens),
    cacheWrite1h: input?.cache_creation_token_details || raw.cache_creation ? hourWrites(input, raw) : 0,
    reasoning,
    webSearches: raw.server_tool_use
      ? count(object(raw.server_tool_use)?.web_search_requests)
      : input?.web_search_requests
        ? count(input.web_search_requests)
        : 0,
    inputAudio: input?.audio_tokens ? count(input.audio_tokens) : 0,
    cacheReadAudio: input?.cached_tokens_details ? count(object(input.cached_tokens_details)?.audio_tokens) : 0,
    inputImage: input?.image_tokens ? count(input.image_tokens) : 0,
    outputAudio: output?.audio_tokens ? count(output.audio_tokens) : 0,
    outputImage: output?.image_tokens ? count(output.image_tokens) : 0,
  });
}

/** Claude's writes for an hour, as gateways hand them on. */
function hourWrites(input: Json | undefined, raw: Json): number {
  const split = object(input?.cache_creation_token_details) ?? object(raw.cache_creation);
  return count(split?.ephemeral_1h_input_tokens);
}

/** The first of the values that is there. */
function firstCount(...values: readonly unknown[]): number {
  for (const value of values) if (value !== undefined && value !== null) return count(value);
  return 0;
}

const LIMITS = ["max_completion_tokens", "max_tokens"] as const;
/** Their newer models refuse the older name, which is the only one that many other vendors know. */
const NEW_NAME = new Set(["openai", "azure.ai.openai", "azure.ai.inference"]);

function limits(body: Json, provider: string | undefined): readonly (readonly string[])[] {
  const own = LIMITS.filter((name) => typeof body[name] === "number");
  if (own.length > 0) return own.map((name) => [name]);
  return [[provider !== undefined && NEW_NAME.has(provider) ? LIMITS[0] : LIMITS[1]]];
}
