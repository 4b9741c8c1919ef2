import type { Json } from "../../core/json.ts";

/** Text of a request that becomes input tokens, and the parts that cost tokens by other rules. */
export interface Measured {
  /** Bytes of UTF-8. */
  bytes: number;
  attachments: number;
}

/** Measures the text of several members of a request. */
export function measureAll(...values: readonly unknown[]): Measured {
  const measured: Measured = { bytes: 0, attachments: 0 };
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

const ATTACHMENTS = new Set([
  "image_url",
  "input_image",
  "input_audio",
  "input_file",
  "inlineData",
  "inline_data",
  "fileData",
  "file_data",
]);
const ATTACHMENT_TYPES = new Set(["image", "document", "file", "video_url"]);

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
    into.bytes += byteLength(value);
  } else if (typeof value === "number" || typeof value === "boolean") {
    into.bytes += 2;
  } else if (typeof value === "object" && value !== null) {
    if (depth === MAX_DEPTH) deeper.push(value);
    else if (Array.isArray(value)) for (const item of value) measure(item, into, depth + 1, deeper);
    else measureRecord(value as Json, into, depth, deeper);
  }
}

function measureRecord(record: Json, into: Measured, depth: number, deeper: unknown[]): void {
  if (typeof record.type === "string" && ATTACHMENT_TYPES.has(record.type)) into.attachments += 1;
  for (const key in record) {
    const member = record[key];
    if (ATTACHMENTS.has(key) || (key === "type" && ATTACHMENTS.has(member as string))) into.attachments += 1;
    if (NOT_TEXT.has(key)) continue;
    into.bytes += key.length;
    if (typeof member === "string") into.bytes += byteLength(member);
    else measure(member, into, depth + 1, deeper);
  }
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
