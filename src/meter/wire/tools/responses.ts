import { array, type Json, object, text } from "../../../core/json.ts";
import { canonicalUsage, count } from "../../../core/usage.ts";
import type { ModelUsage, Reading } from "../formats/format.ts";
import { countUse, readInvocations, readToolUsage, setUses, toolsOf } from "./server-tools.ts";

/**
 * The tools that the vendor ran. Its own counts win over its items: xAI's in `usage`, OpenAI's in `tool_usage`, which has
 * the searches that it bills.
 */
export function readTools(json: Json, raw: Json, reading: Reading): void {
  const split = object(object(raw.input_tokens_details)?.cache_write_tokens_details);
  if (split) setUses(reading, "cache_write_12h", count(split.ttl_12h_tokens));
  if (readToolUsage(raw, reading)) return;
  if (raw.tool_calls_details) readInvocations(object(raw.tool_calls_details), reading);
  for (const [index, item] of array(json.output).entries()) readItem(object(item), index, reading);
  const counted = object(json.tool_usage);
  for (const name in counted) {
    const requests = object(counted[name])?.num_requests;
    if (requests === undefined || requests === null) continue;
    // Most answers say that there was none.
    if (requests === 0 && reading.tools === undefined) continue;
    if (name === "web_search") toolsOf(reading).searches = count(requests);
    else if (reading.tools?.units[name] === undefined) setUses(reading, name, count(requests));
  }
  // Their tokens are priced apart: see `imageUsage`.
  if (object(counted?.image_gen) !== undefined) delete reading.tools?.units[IMAGES];
  if (reading.tools !== undefined) readSettings(array(json.tools), reading);
}

/** Items of what the vendor ran that cost their tokens only, or are counted elsewhere. */
const FREE_ITEMS: ReadonlySet<string> = new Set([
  ...["function_call", "custom_tool_call", "computer_call", "local_shell_call", "apply_patch_call", "mcp_call"],
  "tool_search_call",
]);

/** Counts an output item once, whether it came alone or within the whole response. */
export function readItem(item: Json | undefined, index: number, reading: Reading): void {
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
/** Images whose tokens the answer does not count, as of a stream that broke off. */
const IMAGES = "image_generation";

/** What the echoed tools say of the kind of search, which a stream's first event tells already. */
export function readSearchTool(tools: readonly unknown[], reading: Reading): void {
  for (const tool of tools) {
    if (text(object(tool)?.type)?.startsWith("web_search_preview")) toolsOf(reading).searchTool = "web_search_preview";
  }
}

/** What they say of the size of containers. */
function readSettings(tools: readonly unknown[], reading: Reading): void {
  for (const entry of tools) {
    const tool = object(entry);
    const type = text(tool?.type);
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
export function imageUsage(json: Json): ModelUsage | undefined {
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
