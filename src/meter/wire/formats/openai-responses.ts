import { amount, array, type Json, object, text } from "../../../core/json.ts";
import { canonicalUsage, count, type Usage } from "../../../core/usage.ts";
import { openaiRefusal } from "../openai-error.ts";
import { countUse, readToolUsage, setUses, toolsOf } from "../server-tools.ts";
import { measureAll, wireLength } from "../text.ts";
import { type ModelUsage, type Reading, report, type WireFormat } from "./format.ts";

/** Events whose `delta` is output, and of which kind. */
const DELTAS: ReadonlyMap<string, "visible" | "thought"> = new Map(
  Object.entries({
    "response.output_text.delta": "visible",
    "response.refusal.delta": "visible",
    "response.function_call_arguments.delta": "visible",
    "response.custom_tool_call_input.delta": "visible",
    "response.mcp_call_arguments.delta": "visible",
    "response.code_interpreter_call_code.delta": "visible",
    "response.audio.transcript.delta": "visible",
    "response.reasoning_text.delta": "thought",
    "response.reasoning_summary_text.delta": "thought",
  } as const),
);

/** After these the vendor sends nothing that matters. */
const TERMINAL = new Set(["response.completed", "response.incomplete", "response.failed", "response.cancelled"]);
const RUNNING: ReadonlySet<unknown> = new Set(["queued", "in_progress"]);

/** OpenAI Responses. A response that runs in the background is counted once, when it is retrieved. */
export const openaiResponses: WireFormat = {
  name: "openai-responses",
  operation: "chat",
  provider: "openai",
  deltaKeys: ['"delta":"'],
  strictDeltas: false,

  endpoints: [
    { method: "POST", path: "/responses", evidence: { path: "/v1/responses", header: "authorization" } },
    { method: "GET", path: "/responses/resp_{id}" },
  ],
  rates: {
    request: 2,
    inputBytes: 3.8,
    tools: 10,
    toolBytes: 9.4,
    attachment: 505,
    outputBytes: 4.2,
    toolCall: 12,
  },
  refusal: openaiRefusal,

  readRequest(body) {
    if (body.input === undefined && body.prompt === undefined && body.previous_response_id === undefined) {
      return undefined;
    }
    const measured = measureAll(body.input, body.instructions, body.text);
    return {
      model: text(body.model),
      stream: body.stream === true,
      inputBytes: measured.bytes,
      attachments: measured.attachments,
      toolBytes: measureAll(body.tools).bytes,
      maxOutput: amount(body.max_output_tokens),
      tier: text(body.service_tier),
      metadata: object(body.metadata),
      user: text(body.user) ?? text(body.safety_identifier),
    };
  },

  readBody(body, reading) {
    const json = object(body);
    if (!json) return;
    if (object(json.error) && json.object === undefined) reading.failed = true;
    readResponse(json, reading);
    reading.pending = RUNNING.has(json.status);
    for (const item of array(json.output)) countOutput(object(item), reading);
    if (reading.outputReported) report(reading, reading.usage as Usage);
  },

  readFrame(frame, event, reading) {
    const type = text(frame.type) ?? event;
    const kind = DELTAS.get(type);
    if (kind !== undefined) {
      reading.recognized = true;
      reading[kind] += wireLength(frame.delta);
      return true;
    }
    if (type === "error") {
      reading.failed = true;
      return false;
    }
    if (TERMINAL.has(type)) reading.terminal = true;
    if (type === "response.output_item.added") countToolCall(object(frame.item), reading);
    else if (type === "response.output_item.done") readItem(object(frame.item), Number(frame.output_index), reading);
    const response = object(frame.response);
    if (response) readResponse(response, reading);
    return false;
  },
};

function readResponse(json: Json, reading: Reading): void {
  if (json.object === "response" || json.output !== undefined) reading.recognized = true;
  reading.responseId ??= text(json.id);
  reading.model = text(json.model) ?? reading.model;
  reading.tier = text(json.service_tier) ?? reading.tier;
  if (json.background === true) reading.background = true;
  const status = text(json.status);
  if (status === "failed") reading.failed = true;
  if (status === "completed" || status === "incomplete") reading.finished = true;
  const raw = object(json.usage);
  if (!raw || raw.input_tokens === undefined || raw.input_tokens === null) return;
  report(reading, usageOf(raw));
  readTools(json, raw, reading);
  const images = json.tool_usage ? imageUsage(json) : undefined;
  if (images) reading.extra = [images];
}

function usageOf(raw: Json): Usage {
  const input = object(raw.input_tokens_details);
  const output = object(raw.output_tokens_details);
  const cacheRead = count(input?.cached_tokens);
  const total = count(raw.input_tokens);
  return canonicalUsage({
    input: cacheRead > total ? total + cacheRead : total,
    output: count(raw.output_tokens),
    cacheRead,
    cacheWrite: count(input?.cache_write_tokens),
    reasoning: count(output?.reasoning_tokens),
    cacheWrite1h: input?.cache_creation ? count(object(input.cache_creation)?.ephemeral_1h_input_tokens) : 0,
    inputAudio: input?.audio_tokens ? count(input.audio_tokens) : 0,
    outputAudio: output?.audio_tokens ? count(output.audio_tokens) : 0,
  });
}

/**
 * The tools that the vendor ran. Its own counts win over its items: xAI's in `usage`, OpenAI's in `tool_usage`, which has
 * the searches that it bills.
 */
function readTools(json: Json, raw: Json, reading: Reading): void {
  const split = object(object(raw.input_tokens_details)?.cache_write_tokens_details);
  if (split) setUses(reading, "cache_write_12h", count(split.ttl_12h_tokens));
  if (readToolUsage(raw, reading)) return;
  for (const [index, item] of array(json.output).entries()) readItem(object(item), index, reading);
  const counted = object(json.tool_usage);
  for (const name in counted) {
    const requests = object(counted[name])?.num_requests;
    if (requests === undefined || requests === null) continue;
    if (name === "web_search") toolsOf(reading).searches = count(requests);
    else if (reading.tools?.units[name] === undefined) setUses(reading, name, count(requests));
  }
  if (reading.tools !== undefined) readSettings(array(json.tools), reading);
}

/** Items of what the vendor ran that cost their tokens only, or are counted elsewhere. */
const FREE_ITEMS: ReadonlySet<string> = new Set([
  ...["function_call", "custom_tool_call", "computer_call", "local_shell_call", "apply_patch_call", "mcp_call"],
  ...["tool_search_call", "image_generation_call"],
]);

/** Counts an output item once, whether it came alone or within the whole response. */
function readItem(item: Json | undefined, index: number, reading: Reading): void {
  const type = text(item?.type);
  if (item === undefined || type === undefined || !type.endsWith("_call") || FREE_ITEMS.has(type)) return;
  const id = text(item.id) ?? `#${index}`;
  if (type === "web_search_call") countSearch(item, id, reading);
  else if (type === "code_interpreter_call" || type === "shell_call") countContainer(type, item, id, reading);
  else countUse(reading, type.slice(0, -"_call".length), id);
}

/** Only searches are charged; opening a page and looking through it are not. Older answers do not name the action. */
function countSearch(item: Json, id: string, reading: Reading): void {
  const action = text(object(item.action)?.type) ?? "search";
  if (action !== "search") return;
  const tools = toolsOf(reading);
  if (tools.seen.has(id)) return;
  tools.seen.add(id);
  tools.searches += 1;
}

/** A container is charged once, however many calls ran in it. A shell of the caller's own machine has none. */
function countContainer(type: string, item: Json, id: string, reading: Reading): void {
  const environment = object(item.environment);
  const container = text(item.container_id) ?? text(environment?.container_id);
  if (container !== undefined) countUse(reading, CONTAINER, container);
  else if (type === "code_interpreter_call") countUse(reading, "code_interpreter", id);
  else if (text(environment?.type)?.startsWith("container")) countUse(reading, CONTAINER, id);
}

const CONTAINER = "code_container";

/** What the echoed tools say of the price: the kind of search, and the size of containers. */
function readSettings(tools: readonly unknown[], reading: Reading): void {
  for (const entry of tools) {
    const tool = object(entry);
    const type = text(tool?.type);
    if (type?.startsWith("web_search_preview")) toolsOf(reading).searchTool = "web_search_preview";
    if (type === "code_interpreter" || type === "shell") {
      nameContainers(tool?.container ?? tool?.environment, toolsOf(reading).units);
    }
  }
}

/** Containers are priced by memory; one that the caller made is paid by its own life, which no answer shows. */
function nameContainers(container: unknown, units: Record<string, number>): void {
  const uses = units[CONTAINER];
  if (uses === undefined) return;
  const memory = text(object(container)?.memory_limit) ?? "1g";
  const size = /^\d{1,3}g$/.test(memory) ? memory : "other";
  const name = typeof container === "string" ? `${CONTAINER}_own` : `${CONTAINER}_${size}`;
  if (name === `${CONTAINER}_1g`) return;
  delete units[CONTAINER];
  units[name] = uses;
}

/** Tokens of the image tool, which `usage` does not contain. */
function imageUsage(json: Json): ModelUsage | undefined {
  const raw = object(object(json.tool_usage)?.image_gen);
  const input = object(raw?.input_tokens_details);
  const output = object(raw?.output_tokens_details);
  const usage = canonicalUsage({
    input: count(raw?.input_tokens),
    inputImage: count(input?.image_tokens),
    output: count(raw?.output_tokens),
    outputImage: output?.image_tokens === undefined ? count(raw?.output_tokens) : count(output.image_tokens),
  });
  if (usage.input + usage.output === 0) return undefined;
  const tool = array(json.tools).find((item) => object(item)?.type === "image_generation");
  return { model: text(object(tool)?.model) ?? "image_generation", usage };
}

const TOOL_CALLS: ReadonlySet<unknown> = new Set([
  "function_call",
  "custom_tool_call",
  "mcp_call",
  "code_interpreter_call",
]);

function countToolCall(item: Json | undefined, reading: Reading): void {
  if (!TOOL_CALLS.has(item?.type)) return;
  reading.toolCalls += 1;
  reading.visible += wireLength(item?.name);
}

function countOutput(item: Json | undefined, reading: Reading): void {
  if (!item) return;
  countToolCall(item, reading);
  for (const part of array(item.content)) reading.visible += wireLength(object(part)?.text);
  for (const part of array(item.summary)) reading.thought += wireLength(object(part)?.text);
  reading.visible += wireLength(item.arguments);
}
