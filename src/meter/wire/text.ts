import { type Json, object } from "../../core/json.ts";
import { type Attachment, attachmentOf, isDataUrl } from "./content/attachments.ts";

/** How long a cache keeps what is written to it, as Anthropic names it. */
export type CacheTime = "5m" | "1h";

/** Text of a request that becomes input tokens, and the parts that cost tokens by other rules. */
export interface Measured {
  /** Bytes of UTF-8, keys included. */
  bytes: number;
  /** Bytes without the format's own keys and types: the same message has as many in each of its spellings. */
  content: number;
  /** Reasoning is sent back to the model, as opaque state or as text. */
  reasons: boolean;
  attachments: Attachment[] | undefined;
  /** The longest time for which a part is marked to be kept in a cache. */
  caches: CacheTime | undefined;
}

/** Measures the text of several members of a request. */
export function measureAll(...values: readonly unknown[]): Measured {
  const measured: Measured = { bytes: 0, content: 0, reasons: false, attachments: undefined, caches: undefined };
  for (const value of values) if (value !== undefined) measureText(value, measured);
  return measured;
}

/** Members that carry binary data, addresses or opaque state instead of text. */
const NOT_TEXT = new Set([
  "data",
  "file_data",
  "fileData",
  "b64_json",
  "url",
  "uri",
  "fileUri",
  "image_url",
  "file_id",
  "encrypted_content",
  "signature",
  "summary",
  "thoughtSignature",
  "thought_signature",
  "cachedContent",
  "previous_response_id",
  "prompt_cache_key",
  "safety_identifier",
  "id",
  "tool_call_id",
  "tool_use_id",
  "call_id",
  "cache_control",
  "metadata",
  "model",
  "user",
]);

/** Members of messages that say what they are, and not what is in them. */
const LABELS = new Set(["type", "role", "status", "phase", "mimeType", "media_type", "detail"]);

/** Keys of the formats themselves; all others are data of the caller, such as arguments of a function. */
const FORMAT_KEYS = new Set([
  "annotations",
  "args",
  "arguments",
  "content",
  "function",
  "functionCall",
  "functionResponse",
  "input",
  "logprobs",
  "name",
  "output",
  "parts",
  "reasoning_content",
  "refusal",
  "response",
  "source",
  "text",
  "thinking",
  "title",
  "tool_calls",
]);
/** Quotes and colon of a key. */
const KEY_MARKS = 4;

/** State by which a model goes on with its reasoning. */
const REASONING = new Set(["encrypted_content", "thoughtSignature", "thought_signature", "reasoning_content"]);

/** Members that hold text, whatever it looks like. */
const TEXT = new Set(["text", "content", "arguments", "output", "input", "thinking", "name", "description"]);

/** Deeper than any schema: what lies below is measured by a list of its own, since a request may nest without end. */
const MAX_DEPTH = 100;

/** Adds up the text in `value`, keys of objects included: tool schemas are tokens too. */
export function measureText(value: unknown, into: Measured): void {
  const deeper: unknown[] = [];
  measure(value, into, 0, deeper);
  while (deeper.length > 0) measure(deeper.pop(), into, 0, deeper);
}

function measure(value: unknown, into: Measured, depth: number, deeper: unknown[]): void {
  if (typeof value === "string") {
    add(byteLength(value), into);
  } else if (typeof value === "number" || typeof value === "boolean") {
    add(2, into);
  } else if (typeof value === "object" && value !== null) {
    if (depth === MAX_DEPTH) deeper.push(value);
    else if (Array.isArray(value)) for (const item of value) measure(item, into, depth + 1, deeper);
    else measureRecord(value as Json, into, depth, deeper);
  }
}

function add(bytes: number, into: Measured): void {
  into.bytes += bytes;
  into.content += bytes;
}

function measureRecord(record: Json, into: Measured, depth: number, deeper: unknown[]): void {
  const { type, inlineData = record.inline_data, fileData = record.file_data } = record;
  const attachment =
    typeof type === "string" || inlineData !== undefined || fileData !== undefined ? attachmentOf(record) : undefined;
  if (attachment !== undefined) {
    into.attachments ??= [];
    into.attachments.push(attachment);
  }
  for (const key in record) {
    const member = record[key];
    if (REASONING.has(key) && member) into.reasons = true;
    if (NOT_TEXT.has(key)) {
      if (key === "cache_control") into.caches = longer(into.caches, cacheTime(member));
      else if (key === "data" && attachment === undefined && isPlainText(record))
        add(byteLength(member as string), into);
      continue;
    }
    if (!FORMAT_KEYS.has(key) && !LABELS.has(key)) into.content += key.length + KEY_MARKS;
    if (typeof member !== "string") {
      into.bytes += key.length;
      measure(member, into, depth + 1, deeper);
    } else if (member.length < MIN_BINARY || TEXT.has(key) || !isBinary(member)) {
      const length = byteLength(member);
      into.bytes += key.length + length;
      if (!LABELS.has(key)) into.content += length;
    }
  }
}

/** The time of a mark; undefined where there is none. */
export function cacheTime(mark: unknown): CacheTime | undefined {
  if (mark === undefined || mark === null) return undefined;
  return object(mark)?.ttl === "1h" ? "1h" : "5m";
}

export function longer(one: CacheTime | undefined, other: CacheTime | undefined): CacheTime | undefined {
  return other === undefined || one === "1h" ? one : other;
}

/** Anthropic's documents of plain text. */
function isPlainText({ type, data }: Json): boolean {
  return type === "text" && typeof data === "string";
}

/** Shorter strings are text. */
const MIN_BINARY = 64;
const BASE64 = /^[A-Za-z0-9+/_=-]{256}/;

/** Data in base64 where no text is expected. */
function isBinary(text: string): boolean {
  return isDataUrl(text) || BASE64.test(text);
}

const NOT_ONE_BYTE = /[^\0-\x7f]/;

/** Bytes of UTF-8, without a call into native code for the common case. */
export function byteLength(value: string): number {
  return value.length > 64 || NOT_ONE_BYTE.test(value) ? Buffer.byteLength(value) : value.length;
}

const WIDE = /[^\0-\xff]/;

/**
 * Bytes of UTF-8 of a string out of JSON that was decoded as Latin-1: there a character already is a byte, unless it
 * was written as an escape.
 */
export function wireLength(value: unknown): number {
  if (typeof value !== "string") return 0;
  return WIDE.test(value) ? Buffer.byteLength(value) : value.length;
}
