import { amount, array, type Json, object, text } from "../../../core/json.ts";
import { canonicalUsage, count, type Usage } from "../../../core/usage.ts";
import type { Blocked } from "../../../limits/refusal.ts";
import { type Effort, effortOf } from "../content/effort.ts";
import { shapeOf } from "../content/tools.ts";
import { anthropicRates } from "../rates.ts";
import { readCost } from "../reported-cost.ts";
import { cacheTime, longer, measureAll, measureTurns, wireLength } from "../text.ts";
import { countUse, setUses, toolsOf } from "../tools/server-tools.ts";
import { type ModelUsage, type Reading, report, type WireFormat } from "./format.ts";

/** Anthropic Messages, stable and beta, also on Vertex AI. */
export const anthropicMessages: WireFormat = {
  name: "anthropic-messages",
  operation: "chat",
  provider: "anthropic",
  deltaKeys: ['"text":"', '"partial_json":"', '"thinking":"'],
  strictDeltas: false,
  silentEvents: new Set(["ping", "content_block_stop"]),

  endpoints: [
    { method: "POST", path: "/messages", evidence: { header: "anthropic-version" } },
    { method: "POST", path: "/publishers/anthropic/models/{model}:rawPredict" },
    { method: "POST", path: "/publishers/anthropic/models/{model}:streamRawPredict" },
  ],
  rates: anthropicRates,
  // What the model may think with has to be less than the limit.
  settings: {
    limits: () => [["max_tokens"]],
    least: ({ thinking }) => (amount(object(thinking)?.budget_tokens) ?? 0) + 1,
  },
  refusal: {
    body: errorOf,
    event: (message, blocked) => ({ name: "error", data: errorOf(message, blocked) }),
  },

  readRequest(body, route) {
    if (!Array.isArray(body.messages) || (body.max_tokens === undefined && body.anthropic_version === undefined)) {
      return undefined;
    }
    const measured = measureAll(body.system, body.output_config, body.output_format);
    const fixedBytes = measured.content;
    const turns = measureTurns(body.messages, fixedBytes, measured);
    const tools = measureAll(body.tools);
    return {
      model: text(body.model) ?? route.model,
      stream: body.stream === true,
      inputBytes: measured.bytes,
      attachments: measured.attachments,
      freeCode: Array.isArray(body.tools) && body.tools.some(makesCodeFree),
      fixedBytes,
      turns,
      caches: longer(longer(measured.caches, tools.caches), cacheTime(body.cache_control)) ?? false,
      toolBytes: tools.bytes,
      tools: body.tools === undefined ? undefined : shapeOf(body.tools),
      effort: readEffort(body),
      maxOutput: amount(body.max_tokens),
      tier: text(body.service_tier),
      metadata: object(body.metadata),
    };
  },

  readBody(body, reading) {
    const json = object(body);
    if (!json) return;
    if (json.type === "error") reading.failed = true;
    readMessage(json, reading);
    for (const block of array(json.content)) countBlock(object(block), reading);
    if (json.stop_reason !== undefined) reading.finished = true;
    if (reading.raw) readUsage(reading);
    readCost(reading.raw, json, reading);
  },

  readFrame(frame, event, reading) {
    switch (text(frame.type) ?? event) {
      case "content_block_delta":
        return readDelta(object(frame.delta), reading);
      case "content_block_start":
        countBlock(object(frame.content_block), reading);
        return false;
      case "message_start":
        readMessage(object(frame.message) ?? {}, reading);
        // The output of this report is only a beginning.
        if (reading.raw) reading.usage = usageOf(reading.raw);
        reading.inputReported = (reading.usage?.input ?? 0) > 0;
        return false;
      case "message_delta":
        readMessageDelta(frame, reading);
        return false;
      case "message_stop":
        reading.terminal = true;
        reading.finished = true;
        return false;
      case "error":
        reading.failed = true;
        return false;
      default:
        return false;
    }
  },
};

function readEffort(body: Json): Effort | undefined {
  if (object(body.thinking)?.type === "disabled") return "none";
  return effortOf(object(body.output_config)?.effort);
}

/** With these tools, which run code to filter what they find, code execution costs its tokens only [Anthropic docs]. */
function makesCodeFree(tool: unknown): boolean {
  return /^web_(?:search|fetch)_20(?:2[6-9]|[3-9])/.test(text(object(tool)?.type) ?? "");
}

function errorOf(message: string, blocked: Blocked): object {
  return { type: "error", error: { type: "billing_error", message, spendfuse: blocked } };
}

function readDelta(delta: Json | undefined, reading: Reading): boolean {
  reading.recognized = true;
  reading.visible += wireLength(delta?.text);
  reading.callBytes += wireLength(delta?.partial_json);
  reading.thought += wireLength(delta?.thinking);
  return true;
}

function countBlock(block: Json | undefined, reading: Reading): void {
  const type = text(block?.type);
  if (type?.endsWith("tool_use")) reading.toolCalls += 1;
  else if (type?.endsWith("thinking")) reading.reasons = true;
  if (type === "server_tool_use") countServerTool(block as Json, reading);
  else if (type === "web_search_tool_result") forgetFailedSearch(block as Json, reading);
  reading.visible += wireLength(block?.text);
  reading.callBytes += wireLength(block?.name);
  reading.thought += wireLength(block?.thinking);
  const input = object(block?.input);
  if (input && Object.keys(input).length > 0) reading.callBytes += JSON.stringify(input).length;
}

/** Server tools that cost their tokens only, or are counted elsewhere: advisors in the iterations. */
const FREE_TOOLS = /^(?:web_fetch$|advisor$|tool_search)/;

/** Code is run by several tools, which are billed as one. Searches count until the usage has their number. */
function countServerTool(block: Json, reading: Reading): void {
  const name = text(block.name);
  if (name === undefined || FREE_TOOLS.test(name)) return;
  if (name === "web_search") toolsOf(reading).searches += 1;
  else countUse(reading, /(?:^|_)code_execution$/.test(name) ? "code_execution" : name, text(block.id));
}

/** A search that failed is not charged [Anthropic docs]. */
function forgetFailedSearch(block: Json, reading: Reading): void {
  if (reading.tools === undefined || object(block.content)?.error_code === undefined) return;
  reading.tools.searches = Math.max(0, reading.tools.searches - 1);
}

function readMessage(json: Json, reading: Reading): void {
  if (json.type === "message") reading.recognized = true;
  reading.responseId ??= text(json.id);
  reading.model = text(json.model) ?? reading.model;
  const usage = object(json.usage);
  if (usage) mergeUsage(usage, reading);
}

function readMessageDelta(frame: Json, reading: Reading): void {
  const usage = object(frame.usage);
  readCost(usage, frame, reading);
  if (usage) {
    mergeUsage(usage, reading);
    if (usage.output_tokens !== undefined && usage.output_tokens !== null) readUsage(reading);
  }
  if (object(frame.delta)?.stop_reason) {
    reading.finished = true;
    reading.terminal = reading.outputReported;
  }
}

/** Reports are cumulative: a newer one replaces field by field, and never adds. Null is ignored. */
function mergeUsage(usage: Json, reading: Reading): void {
  if (reading.raw === undefined) reading.raw = usage;
  else {
    const raw: Record<string, unknown> = { ...reading.raw };
    for (const key in usage) if (usage[key] !== null && usage[key] !== undefined) raw[key] = usage[key];
    reading.raw = raw;
  }
  reading.tier = text(usage.service_tier) ?? reading.tier;
  reading.speed = text(usage.speed) ?? reading.speed;
  reading.geo = text(usage.inference_geo) ?? reading.geo;
}

function readUsage(reading: Reading): void {
  const raw = reading.raw as Json;
  report(reading, usageOf(raw));
  if (raw.server_tool_use) readServerToolUse(object(raw.server_tool_use), reading);
  const iterations = array(raw.iterations)
    .map(object)
    .filter((item) => item !== undefined);
  if (iterations.length > 0) splitIterations(iterations, reading);
}

/** `NAME_requests` of tools. That of the web search, which {@link usageOf} reads, replaces the searches that were seen. */
function readServerToolUse(uses: Json | undefined, reading: Reading): void {
  if (reading.tools !== undefined && typeof uses?.web_search_requests === "number") reading.tools.searches = 0;
  for (const key in uses) {
    if (key.endsWith("_requests") && key !== "web_search_requests") {
      setUses(reading, key.slice(0, -"_requests".length), count(uses[key]));
    }
  }
}

function usageOf(raw: Json): Usage {
  const split = object(raw.cache_creation);
  const cacheWrite1h = count(split?.ephemeral_1h_input_tokens);
  const cacheWrite = Math.max(
    count(raw.cache_creation_input_tokens),
    count(split?.ephemeral_5m_input_tokens) + cacheWrite1h,
  );
  const cacheRead = count(raw.cache_read_input_tokens);
  return canonicalUsage({
    input: count(raw.input_tokens) + cacheRead + cacheWrite,
    output: count(raw.output_tokens),
    cacheRead,
    cacheWrite,
    cacheWrite1h,
    reasoning: count(object(raw.output_tokens_details)?.thinking_tokens),
    webSearches: count(object(raw.server_tool_use)?.web_search_requests),
  });
}

/**
 * A call may hold several turns, each with its own price. Which of them the top-level figures contain is found by
 * arithmetic: the turns of the call's own model, with the fallback's where only that adds up. Compaction and advisors
 * are never in them.
 */
function splitIterations(iterations: readonly Json[], reading: Reading): void {
  const turns = iterations.map((item) => ({
    type: text(item.type) ?? "message",
    part: { model: text(item.model), usage: usageOf(item) } satisfies ModelUsage,
  }));
  const top = reading.usage?.output ?? 0;
  const own = turns.filter((turn) => turn.type === "message");
  const withFallback = turns.filter((turn) => turn.type === "message" || turn.type === "fallback_message");
  const inside = output(own) !== top && output(withFallback) === top ? withFallback : own;
  const searches = reading.usage?.webSearches ?? 0;
  const parts = inside.map((turn) => turn.part);
  if (output(inside) === top && parts[0]) {
    // Searches are only counted for the whole call.
    const [head, ...tail] = parts;
    reading.parts = [{ ...head, usage: { ...head.usage, webSearches: searches } }, ...tail];
  } else reading.parts = undefined;
  const extra = turns.filter((turn) => !inside.includes(turn)).map((turn) => turn.part);
  reading.extra = extra.length > 0 ? extra : undefined;
}

function output(turns: readonly { readonly part: ModelUsage }[]): number {
  return turns.reduce((sum, turn) => sum + turn.part.usage.output, 0);
}
