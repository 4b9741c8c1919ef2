import { array, type Json, object } from "../../core/json.ts";
import { type Attachment, attachmentOf, isDataUrl } from "./content/attachments.ts";
import { FORMAT_KEYS, LABELS, NOT_TEXT, REASONING, TEXT } from "./content/members.ts";

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

/** Quotes and colon of a key. */
const KEY_MARKS = 4;

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

/** Characters of a request that a tokenizer reads at most: some 10 ms. */
const MAX_SAMPLE = 64 * 1024;

/** The members of a request that hold its text, in all formats. */
const SPOKEN = ["system", "instructions", "systemInstruction", "system_instruction", "messages", "input", "contents"];

/** The text of a request's messages, up to {@link MAX_SAMPLE} characters. */
export function sampleText(body: Json, most = MAX_SAMPLE): string {
  const pieces: string[] = [];
  let left = most;
  const open: unknown[] = SPOKEN.map((name) => body[name]).reverse();
  while (open.length > 0 && left > 0) {
    const value = open.pop();
    if (typeof value === "string") {
      pieces.push(value.slice(0, left));
      left -= value.length + 1;
    } else if (Array.isArray(value)) for (let at = value.length - 1; at >= 0; at--) open.push(value[at]);
    else if (typeof value === "object" && value !== null) {
      for (const [key, member] of Object.entries(value).reverse()) {
        const isText = typeof member !== "string" || (!LABELS.has(key) && !isBinaryText(key, member));
        if (!NOT_TEXT.has(key) && isText) open.push(member);
      }
    }
  }
  return pieces.join("\n");
}

function isBinaryText(key: string, text: string): boolean {
  return text.length >= MIN_BINARY && !TEXT.has(key) && isBinary(text);
}

/**
 * The messages of a request by their lengths alone, so that a later request is recognised as one that continues it. No
 * text is kept.
 */
export interface Turns {
  /**
   * Of the last {@link MAX_STEPS} messages, in order, three numbers each: a hash of the lengths of all messages up to
   * it, the bytes of text up to it, and whose it is: {@link OTHER} and so on.
   */
  readonly steps: readonly number[];
  /** How many there are, and the bytes of text in all. */
  readonly count: number;
  readonly bytes: number;
  /** The system messages at the beginning. */
  readonly leadCount: number;
  readonly leadBytes: number;
}

/** Of a message that is a text alone. */
const NO_FIELDS: Json = {};

/** What one message adds to a request: a few results of tools. Longer additions are estimated as a first request. */
const MAX_STEPS = 32;
/** Numbers of a message in `steps`. */
export const STEP = 3;

/** Results of tools, and system messages. */
export const OTHER = 0;
/** What the model said before. */
export const ANSWER = 1;
/** The same, with the reasoning before it. */
export const REASONED = 2;
export const USER = 3;

/** Measures messages one by one. `seed`: what else has to be equal, such as the bytes of the system prompt. */
export function measureTurns(messages: unknown, seed: number, into: Measured): Turns {
  const list: readonly unknown[] = Array.isArray(messages) ? messages : [messages];
  const first = list.length - MAX_STEPS;
  const start = into.content;
  const steps: number[] = [];
  let hash = mix(seed, list.length === 0 ? 1 : 2);
  let leadCount = 0;
  let leadBytes = 0;
  for (let index = 0; index < list.length; index++) {
    const message = list[index];
    const before = into.content;
    into.reasons = false;
    measureText(message, into);
    hash = mix(hash, into.content - before);
    const fields = typeof message === "object" && message !== null ? (message as Json) : NO_FIELDS;
    const { role } = fields;
    if (leadCount === index && (role === "system" || role === "developer")) {
      leadCount += 1;
      leadBytes = into.content - start;
    }
    if (index >= first) steps.push(hash, into.content - start, whose(fields, into.reasons));
  }
  return { steps, count: list.length, bytes: into.content - start, leadCount, leadBytes };
}

/** `message`: an item of a request; without a role also one of an earlier response, such as a call of a function. */
function whose({ role, type, parts }: Json, reasons: boolean): number {
  if (role === "assistant" || role === "model") return reasons ? REASONED : ANSWER;
  // Google's results of functions are the user's.
  if (role === "user") return parts !== undefined && object(array(parts)[0])?.functionResponse ? OTHER : USER;
  if (role !== undefined) return OTHER;
  if (type === "reasoning") return reasons ? REASONED : ANSWER;
  if (typeof type === "string") return type.endsWith("_call") ? ANSWER : OTHER;
  return USER;
}

/** The next value of a hash of whole numbers: 32 bits, signed. */
export function mix(hash: number, value: number): number {
  const next = Math.imul(hash ^ value, 0x9e3779b1);
  return next ^ (next >>> 15);
}

/** A hash of an id: 32 bits, signed. */
export function hashText(text: string): number {
  let hash = text.length;
  for (let index = 0; index < text.length; index++) hash = mix(hash, text.charCodeAt(index));
  return hash;
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
