/** A request to a model, independent of the vendor. */
export interface Ask {
  /** Whose key the request carries: the fake vendor keeps its bill by it. */
  readonly agent: string;
  readonly model: string;
  readonly prompt: string;
  readonly system?: string;
  readonly maxTokens?: number;
  /** OpenAI: how long to think before the answer. */
  readonly effort?: "none" | "minimal" | "low" | "medium";
  /** Anthropic: extended thinking. */
  readonly thinking?: boolean;
  /** Anthropic: keep the system prompt in the cache. */
  readonly cache?: "5m" | "1h";
  readonly webSearch?: boolean;
  readonly priority?: boolean;
  /** Chat completions: the caller asks for usage itself. */
  readonly includeUsage?: boolean;
  /** The failure that the fake vendor simulates; see `startFakeVendor`. */
  readonly trouble?: string;
}

/** A way to reach a model: a real SDK, or fetch alone. */
export interface Client {
  /** Pieces of the answer. Leaving the loop early, or the signal, breaks the stream off. */
  stream(ask: Ask, signal?: AbortSignal): AsyncIterable<string>;
  whole(ask: Ask): Promise<string>;
}

export const DEFAULT_MAX_TOKENS = 400;

export function keyOf(ask: Ask): string {
  return `demo-${ask.agent}`;
}

export function headersOf(ask: Ask): Record<string, string> {
  return ask.trouble === undefined ? {} : { "x-demo": ask.trouble };
}

export function chatBody(ask: Ask) {
  const system = ask.system === undefined ? [] : [{ role: "system" as const, content: ask.system }];
  return {
    model: ask.model,
    messages: [...system, { role: "user" as const, content: ask.prompt }],
    ...(ask.maxTokens === undefined ? {} : { max_completion_tokens: ask.maxTokens }),
    ...(ask.effort === undefined ? {} : { reasoning_effort: ask.effort }),
    ...(ask.priority ? { service_tier: "priority" as const } : {}),
  };
}

/** What a streamed chat completion has on top. */
export function chatStreamOptions(ask: Ask) {
  return ask.includeUsage ? { stream_options: { include_usage: true } } : {};
}

export function responsesBody(ask: Ask) {
  return {
    model: ask.model,
    input: ask.prompt,
    ...(ask.system === undefined ? {} : { instructions: ask.system }),
    ...(ask.maxTokens === undefined ? {} : { max_output_tokens: ask.maxTokens }),
    ...(ask.effort === undefined ? {} : { reasoning: { effort: ask.effort } }),
    ...(ask.priority ? { service_tier: "priority" as const } : {}),
  };
}

export function messagesBody(ask: Ask) {
  const block = { type: "text" as const, text: ask.system ?? "" };
  const control = { type: "ephemeral" as const, ttl: ask.cache ?? ("5m" as const) };
  return {
    model: ask.model,
    max_tokens: ask.maxTokens ?? DEFAULT_MAX_TOKENS,
    messages: [{ role: "user" as const, content: ask.prompt }],
    ...(ask.system === undefined ? {} : { system: [ask.cache ? { ...block, cache_control: control } : block] }),
    ...(ask.thinking ? { thinking: { type: "adaptive" as const } } : {}),
    ...(ask.webSearch ? { tools: [{ type: "web_search_20250305" as const, name: "web_search" as const }] } : {}),
  };
}
