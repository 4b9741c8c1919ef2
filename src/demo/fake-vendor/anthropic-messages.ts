import { type Dialect, type Frame, type Job, type Json, joined, newId, newJob, textOf } from "./job.ts";
import { inputOf } from "./prices.ts";
import { countTokens, seedOf, writeTokens } from "./text.ts";

/** Several tokens come in one event here. */
const TOKENS_PER_EVENT = 5;
/** Input tokens that the results of one web search add. */
const SEARCH_RESULT_TOKENS = 620;
const THINKING_TOKENS = 160;
/** Output tokens of the query of one web search. */
const QUERY_TOKENS = 24;
/** Output tokens that are there as soon as the message starts. */
const OPENING_TOKENS = 1;

export const anthropicMessages: Dialect = {
  path: "/v1/messages",
  open(request, seen) {
    const tools = (request.tools ?? []) as readonly Json[];
    const searches = tools.some((tool) => String(tool.type).startsWith("web_search_")) ? 2 : 0;
    const thinks = (request.thinking as Json | undefined)?.type;
    const job = newJob({
      prefix: "msg_01",
      request,
      prompt: joined(textOf(request.system), textOf(request.messages)),
      limit: request.max_tokens,
      reasoning: thinks === "enabled" || thinks === "adaptive" ? THINKING_TOKENS : 0,
      searches,
    });
    cacheMarked(job, seen);
    return job;
  },
  frames,
  whole(job) {
    for (let search = 0; search < job.searches; search++) runSearch(job);
    job.tokens.reasoning = job.reasoning;
    job.tokens.output += OPENING_TOKENS + job.reasoning + job.reply.length;
    const thinking = { type: "thinking", thinking: thoughts(job).join(""), signature: newId("sig") };
    const text = { type: "text", text: job.reply.join(""), citations: null };
    return {
      ...message(job),
      content: job.reasoning > 0 ? [thinking, text] : [text],
      stop_reason: stopReason(job),
      usage: { ...firstUsage(job), ...lastUsage(job) },
    };
  },
  error(status, text) {
    const type = status === 429 ? "rate_limit_error" : status === 404 ? "not_found_error" : "invalid_request_error";
    return { type: "error", error: { type, message: text }, request_id: newId("req_01") };
  },
};

function* frames(job: Job): Generator<Frame> {
  const { tokens } = job;
  tokens.output = OPENING_TOKENS;
  yield event("message_start", { message: { ...message(job), usage: firstUsage(job) } });
  yield event("ping", {});
  let index = 0;
  const deltas = function* (pieces: readonly string[], delta: (text: string) => Json): Generator<Frame> {
    for (let at = 0; at < pieces.length; at += TOKENS_PER_EVENT) {
      const part = pieces.slice(at, at + TOKENS_PER_EVENT);
      tokens.output += part.length;
      yield event("content_block_delta", { index, delta: delta(part.join("")) });
    }
    yield event("content_block_stop", { index });
    index += 1;
  };

  if (job.reasoning > 0) {
    yield event("content_block_start", { index, content_block: { type: "thinking", thinking: "", signature: "" } });
    for (const frame of deltas(thoughts(job), (text) => ({ type: "thinking_delta", thinking: text }))) {
      tokens.reasoning = Math.min(tokens.output - OPENING_TOKENS, job.reasoning);
      yield frame;
    }
  }
  for (let search = 0; search < job.searches; search++) {
    const id = newId("srvtoolu_01");
    const use = { type: "server_tool_use", id, name: "web_search", input: {} };
    const found = { type: "web_search_result", url: "https://example.com", title: "A page", encrypted_content: "E" };
    const result = { type: "web_search_tool_result", tool_use_id: id, content: [{ ...found, page_age: null }] };
    yield event("content_block_start", { index, content_block: use });
    const query = { type: "input_json_delta", partial_json: '{"query": "what is new"}' };
    yield event("content_block_delta", { index, delta: query });
    yield event("content_block_stop", { index: index++ });
    runSearch(job);
    yield event("content_block_start", { index, content_block: result });
    yield event("content_block_stop", { index: index++ });
    // A long turn reports more than once; each report is the total so far.
    yield event("message_delta", { delta: { stop_reason: null, stop_sequence: null }, usage: lastUsage(job) });
  }
  yield event("content_block_start", { index, content_block: { type: "text", text: "" } });
  yield* deltas(job.reply, (text) => ({ type: "text_delta", text }));
  yield event("message_delta", { delta: { stop_reason: stopReason(job), stop_sequence: null }, usage: lastUsage(job) });
  yield event("message_stop", {}, true);
}

/** The real service pads its events with blanks inside the line. */
function event(type: string, fields: Json, terminal = false): Frame {
  const body = JSON.stringify({ type, ...fields });
  const blanks = " ".repeat(seedOf(body) % 16);
  return { wire: `event: ${type}\ndata: ${body.slice(0, -1)}${blanks}}\n\n`, terminal };
}

function thoughts(job: Job): string[] {
  return writeTokens(job.created, job.reasoning);
}

function runSearch({ tokens }: Job): void {
  tokens.webSearches += 1;
  tokens.output += QUERY_TOKENS;
  tokens.uncached += SEARCH_RESULT_TOKENS;
}

/** Blocks up to a `cache_control` mark are written to the cache the first time, and read from it after that. */
function cacheMarked(job: Job, seen: Set<string>): void {
  const system = job.request.system;
  if (!Array.isArray(system)) return;
  const last = (system as readonly Json[]).findLastIndex((block) => block.cache_control !== undefined);
  if (last < 0) return;
  const text = textOf(system.slice(0, last + 1));
  const marked = countTokens(text);
  const control = (system[last] as Json).cache_control as Json;
  const key = `${job.model} ${text}`;
  job.tokens.uncached = inputOf(job.tokens) - marked;
  if (seen.has(key)) job.tokens.cacheRead = marked;
  else if (control.ttl === "1h") job.tokens.cacheWrite1h = marked;
  else job.tokens.cacheWrite5m = marked;
  seen.add(key);
}

function message(job: Job): Json {
  return {
    model: job.served,
    id: job.id,
    type: "message",
    role: "assistant",
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
  };
}

function stopReason(job: Job): string {
  return job.limited ? "max_tokens" : "end_turn";
}

function firstUsage(job: Job): Json {
  const { tokens } = job;
  return {
    input_tokens: tokens.uncached,
    cache_creation_input_tokens: tokens.cacheWrite5m + tokens.cacheWrite1h,
    cache_read_input_tokens: tokens.cacheRead,
    cache_creation: {
      ephemeral_5m_input_tokens: tokens.cacheWrite5m,
      ephemeral_1h_input_tokens: tokens.cacheWrite1h,
    },
    output_tokens: tokens.output,
    service_tier: "standard",
    inference_geo: "global",
  };
}

function lastUsage({ tokens }: Job): Json {
  return {
    input_tokens: tokens.uncached,
    cache_creation_input_tokens: tokens.cacheWrite5m + tokens.cacheWrite1h,
    cache_read_input_tokens: tokens.cacheRead,
    output_tokens: tokens.output,
    output_tokens_details: { thinking_tokens: tokens.reasoning },
    server_tool_use: { web_search_requests: tokens.webSearches, web_fetch_requests: 0 },
  };
}
