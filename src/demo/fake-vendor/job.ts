import { randomBytes } from "node:crypto";
import { type BilledTokens, noTokens, servedModel } from "./prices.ts";
import { countTokens, seedOf, writeTokens } from "./text.ts";

export type Json = { readonly [key: string]: unknown };

/** One call being served. `tokens` grows while it generates: whenever it stops, they are what is billed. */
export interface Job {
  readonly id: string;
  readonly created: number;
  /** As requested. */
  readonly model: string;
  /** As answered. */
  readonly served: string;
  readonly tier: "default" | "priority";
  /** The answer, one string a token. */
  readonly reply: readonly string[];
  /** The caller's limit cuts the answer short. */
  readonly limited: boolean;
  /** Tokens of reasoning before the answer. */
  readonly reasoning: number;
  /** Web searches run before the answer. */
  readonly searches: number;
  readonly request: Json;
  readonly tokens: BilledTokens;
}

/** One event of a stream as it goes over the wire. Nothing that matters follows a terminal one. */
export interface Frame {
  readonly wire: string;
  readonly terminal?: boolean;
}

/** The responses of this vendor on one path. */
export interface Dialect {
  readonly path: string;
  /** Reads the prompt into the job's input tokens; cached prefixes are looked up in `seen`. */
  open(request: Json, seen: Set<string>): Job;
  /** Generates; each frame is made when it is asked for. */
  frames(job: Job): Generator<Frame>;
  /** Generates all at once. */
  whole(job: Job): Json;
  error(status: number, message: string): Json;
}

export interface JobParts {
  readonly prefix: string;
  readonly request: Json;
  /** All text of the prompt. */
  readonly prompt: string;
  readonly limit: unknown;
  readonly reasoning: number;
  readonly searches?: number;
}

export function newJob(parts: JobParts): Job {
  const { request, prompt } = parts;
  const model = String(request.model);
  const seed = seedOf(prompt);
  const limit = typeof parts.limit === "number" ? parts.limit - parts.reasoning : Number.POSITIVE_INFINITY;
  const wanted = 90 + (seed % 80);
  return {
    id: newId(parts.prefix),
    created: Math.floor(Date.now() / 1000),
    model,
    served: servedModel(model) ?? model,
    tier: request.service_tier === "priority" ? "priority" : "default",
    reply: writeTokens(seed, Math.max(1, Math.min(wanted, limit))),
    limited: limit < wanted,
    reasoning: parts.reasoning,
    searches: parts.searches ?? 0,
    request,
    tokens: { ...noTokens(), uncached: countTokens(prompt) },
  };
}

export function newId(prefix: string): string {
  return `${prefix}${randomBytes(18).toString("base64url").replaceAll(/[-_]/g, "0")}`;
}

/** Hidden reasoning of an OpenAI model by the effort asked for; without one it thinks like at `medium`. */
export function reasoningTokens(effort: unknown): number {
  if (effort === "none" || effort === "minimal") return 0;
  if (effort === "low") return 64;
  return effort === "high" ? 448 : 192;
}

/** All text in a part of a request, whatever its nesting: strings, and the `text` and `content` of objects. */
export function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(textOf).join("\n");
  if (typeof value !== "object" || value === null) return "";
  const { text, content } = value as Json;
  return textOf(text ?? content);
}

export function joined(...texts: readonly string[]): string {
  return texts.filter((text) => text !== "").join("\n");
}

const BLOCK = 128;
const SMALLEST = 1_024;

/**
 * OpenAI's own caching: a long beginning that was seen before is read from the cache in blocks of 128 tokens.
 * Here the beginning is the system prompt.
 */
export function readCachedPrefix(job: Job, beginning: string, seen: Set<string>): void {
  const blocks = Math.floor(countTokens(beginning) / BLOCK) * BLOCK;
  if (blocks < SMALLEST) return;
  const key = `${job.model} ${beginning}`;
  if (seen.has(key)) {
    job.tokens.cacheRead = blocks;
    job.tokens.uncached -= blocks;
  }
  seen.add(key);
}

/** Random letters that hide the length of a token from someone who watches the line. */
export function obfuscation(token: string): string {
  return newId("").slice(0, Math.max(0, 16 - token.length));
}
