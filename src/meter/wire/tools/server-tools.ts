import { array, type Json, object, text } from "../../../core/json.ts";
import { canonicalUsage, count, type Usage } from "../../../core/usage.ts";

/**
 * What a response shows of the tools that its vendor ran, beside the counts in its usage. It is gathered while the
 * response is read, and added to the usage at the ending, so that a stream that broke off has what it had shown.
 */
export interface ServerTools {
  /** The different search queries, where the vendor lists them. */
  readonly queries: Set<string>;
  /** Searches that it only counts. */
  searches: number;
  /** The search tool, where its price is another one: see `Usage.searchTool`. */
  searchTool: string | undefined;
  /** The size of the search context as the vendor reports it. */
  contextSize: string | undefined;
  /** By name of the billed part: see `Usage.units`. */
  readonly units: Record<string, number>;
  /** Ids that were counted, such as those of containers and of output items. */
  readonly seen: Set<string>;
}

/** What a request asks of its vendor's search. */
export interface SearchRequest {
  /** Perplexity's `low`, `medium`, `high`, and its kind of search, `fast`, `pro` or `auto`. */
  readonly contextSize?: string | undefined;
  readonly kind?: string | undefined;
  /** See `Usage.searchTool`. */
  readonly tool?: string | undefined;
}

/** The part of a `Reading` that is written here. */
interface Reading {
  tools: ServerTools | undefined;
}

/** The tools of a reading, which most readings do not have. */
export function toolsOf(reading: Reading): ServerTools {
  reading.tools ??= {
    queries: new Set(),
    searches: 0,
    searchTool: undefined,
    contextSize: undefined,
    units: {},
    seen: new Set(),
  };
  return reading.tools;
}

/** Counts one use; of several that show one `id`, the first. */
export function countUse(reading: Reading, name: string, id?: string): void {
  const { units, seen } = toolsOf(reading);
  const part = isName(name) ? name : OTHER;
  if (id !== undefined) {
    const key = `${part} ${id}`;
    if (seen.has(key)) return;
    seen.add(key);
  }
  units[part] = (units[part] ?? 0) + 1;
}

/** Takes a total that the vendor reports; the last one counts. Zero is no use. */
export function setUses(reading: Reading, part: string, uses: number): void {
  if (uses > 0) toolsOf(reading).units[isName(part) ? part : OTHER] = uses;
}

/** The part of a tool whose name is none: names come from responses, and leave the process. */
const OTHER = "other_tool";
const MAX_NAME = 64;

function isName(part: string): boolean {
  return part.length <= MAX_NAME && /^[a-z][a-z0-9_]*$/.test(part);
}

/** Adds what the response showed of its vendor's tools, and what the request asked of its search, to the usage. */
export function withTools(usage: Usage, tools: ServerTools | undefined, asked: SearchRequest | undefined): Usage {
  const webSearches = Math.max(usage.webSearches, tools?.searches ?? 0, tools?.queries.size ?? 0);
  const units = { ...tools?.units };
  const size = tools?.contextSize ?? asked?.contextSize;
  // A low context is what the model's own fee is for.
  if (size === "medium" || size === "high") units[`search_context_${size}`] = 1;
  if (asked?.kind === "pro" || asked?.kind === "auto") units[`${asked.kind}_search`] = 1;
  const parts: { -readonly [K in keyof Usage]: Usage[K] } = { ...usage, webSearches };
  const searchTool = tools?.searchTool ?? asked?.tool;
  if (searchTool !== undefined && webSearches > 0) parts.searchTool = searchTool;
  if (Object.keys(units).length > 0) parts.units = units;
  return canonicalUsage(parts);
}

/**
 * xAI's own counts of what it ran and charges: `web_search_calls: 2`, in older answers `SERVER_SIDE_TOOL_WEB_SEARCH: 2`.
 * Returns false when the usage has none.
 */
export function readToolUsage(usage: Json, reading: Reading): boolean {
  const counts = object(usage.server_side_tool_usage_details) ?? object(usage.server_side_tool_usage);
  if (counts === undefined) return false;
  for (const key of Object.keys(counts)) {
    const part = key
      .toLowerCase()
      .replace(/^server_side_tool_/, "")
      .replace(/_calls$/, "");
    const uses = count(counts[key]);
    if (part === "web_search") toolsOf(reading).searches = uses;
    else setUses(reading, part, uses);
  }
  return true;
}

/** Calls by name of the tool: `{ web_search: 1 }`. */
export function readCounts(counts: Json | undefined, reading: Reading): void {
  for (const name in counts) setUses(reading, name, count(counts[name]));
}

/** Perplexity's calls by name of the tool: `{ search_web: { invocation: 1 } }`. */
export function readInvocations(details: Json | undefined, reading: Reading): void {
  for (const name in details) setUses(reading, name, count(object(details[name])?.invocation));
}

/** Calls by kind in a list of objects, such as Groq's `executed_tools`. */
export function readExecutedTools(list: unknown, reading: Reading): void {
  for (const item of array(list)) {
    const tool = object(item);
    const name = text(tool?.type) ?? text(tool?.name);
    if (name === undefined) continue;
    countUse(reading, name, `${text(tool?.id) ?? String(tool?.index ?? toolsOf(reading).seen.size)}`);
  }
}
