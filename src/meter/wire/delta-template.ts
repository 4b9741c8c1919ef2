import type { Reading, WireFormat } from "./formats/format.ts";

const HEAD = 40;
const WINDOW = 32;
const QUOTE = 34;
const BACKSLASH = 92;
const BRACE = 125;
const LF = 10;
const LETTER_U = 117;
const ZERO = 48;
const OBFUSCATION = '"obfuscation":"';
const NULL_USAGE = ',"usage":null';

/**
 * The shape of a stream's ordinary delta frames, learned from one that was parsed. Frames of this shape are then
 * recognised and measured byte by byte: no string is made and nothing is parsed, which is what keeps a chunk cheap.
 */
export interface DeltaTemplate {
  /** The first bytes of the frame. */
  readonly head: Uint8Array;
  /** The bytes just before the text. */
  readonly window: Uint8Array;
  /** Where the line with the text begins, from the start of the frame. */
  readonly line: number;
  /** Where the text begins, from the start of the frame. */
  readonly offset: number;
  /** The bytes after the text that must be equal. */
  readonly suffix: Uint8Array;
  /** What may follow the suffix up to the blank line: nothing, the rest of a padding string, or anything. */
  readonly tail: "none" | "padding" | "any";
  readonly kind: "visible" | "callBytes" | "thought" | "none";
  /** Where in the suffix `,"usage":null` is, or -1. */
  readonly nullUsage: number;
  /** Nothing in it is specific to one stream. */
  readonly shared: boolean;
}

/** The newest template of streams that are alike. */
export type DeltaShapes = Map<string, DeltaTemplate>;

export const NULL_USAGE_BYTES: number = NULL_USAGE.length;

/** What one recognised frame holds. Reused between frames, so that recognising allocates nothing. */
export interface DeltaMatch {
  /** Just behind the frame and its blank line. */
  end: number;
  /** UTF-8 bytes of the text, escapes resolved. */
  bytes: number;
  /** Where `,"usage":null` begins, or -1. */
  nullUsage: number;
}

/** Learns the shape of `frame`, the bytes of an ordinary delta as Latin-1; undefined when it has no single text. */
export function learnDelta(
  frame: string,
  { deltaKeys: keys, strictDeltas: strict }: Pick<WireFormat, "deltaKeys" | "strictDeltas">,
  kind: DeltaTemplate["kind"],
  responseId: string | undefined,
): DeltaTemplate | undefined {
  let offset = -1;
  for (const key of keys) {
    for (let at = frame.indexOf(key); at >= 0; at = frame.indexOf(key, at + 1)) {
      // An empty text beside the real one is part of the shape, and compared as such.
      if (frame[at + key.length] === '"') continue;
      if (offset >= 0) return undefined;
      offset = at + key.length;
    }
  }
  if (offset < 0) return undefined;
  let close = offset;
  while (close < frame.length && frame[close] !== '"') close += frame[close] === "\\" ? 2 : 1;
  const rest = frame.slice(close);
  const padding = rest.indexOf(OBFUSCATION);
  const suffix = !strict ? '"' : padding >= 0 ? rest.slice(0, padding + OBFUSCATION.length) : rest;
  const window = Math.max(0, offset - WINDOW);
  const id = responseId === undefined ? -1 : frame.indexOf(responseId);
  const head = Math.min(HEAD, offset, id < 0 ? HEAD : id);
  return {
    head: Buffer.from(frame.slice(0, head), "latin1"),
    window: Buffer.from(frame.slice(window, offset), "latin1"),
    line: frame.lastIndexOf("\n", offset) + 1,
    offset,
    suffix: Buffer.from(suffix, "latin1"),
    tail: !strict ? "any" : padding >= 0 ? "padding" : "none",
    kind,
    nullUsage: suffix.indexOf(NULL_USAGE),
    shared: responseId === undefined || !frame.slice(window).includes(responseId),
  };
}

/** Whether the frame at `at` has the shape, whole within `chunk`; if so `match` is filled. */
export function matchDelta(template: DeltaTemplate, chunk: Uint8Array, at: number, match: DeltaMatch): boolean {
  const { head, window, suffix } = template;
  const length = chunk.length;
  const start = at + template.offset;
  if (start + suffix.length + 2 > length) return false;
  if (differs(chunk, at, head) || differs(chunk, start - window.length, window)) return false;
  let i = start;
  let escaped = 0;
  for (; i < length; i++) {
    const byte = chunk[i];
    if (byte === QUOTE) break;
    if (byte === LF) return false;
    if (byte !== BACKSLASH) continue;
    i += 1;
    escaped += 1;
    if (chunk[i] === LETTER_U) {
      // \u00XX is at most two bytes, the rest three.
      escaped += chunk[i + 1] === ZERO && chunk[i + 2] === ZERO ? 4 : 2;
      i += 4;
    }
  }
  const close = i;
  if (close + suffix.length + 2 > length) return false;
  if (differs(chunk, close, suffix)) return false;
  i = close + suffix.length;
  if (template.tail === "padding") {
    while (i < length && chunk[i] !== QUOTE && chunk[i] !== LF) i++;
    if (chunk[i] !== QUOTE || chunk[i + 1] !== BRACE) return false;
    i += 2;
  } else if (template.tail === "any") while (i < length && chunk[i] !== LF) i++;
  if (i + 1 >= length || chunk[i] !== LF || chunk[i + 1] !== LF) return false;
  match.end = i + 2;
  match.bytes = close - start - escaped;
  match.nullUsage = template.nullUsage < 0 ? -1 : close + template.nullUsage;
  return true;
}

/**
 * Compares every fourth byte. Frames that mean something else differ in a word or in length, hence in many bytes; a
 * single digit, such as an index, may differ unseen, and of an ordinary delta none is counted.
 */
function differs(chunk: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i += 4) if (chunk[at + i] !== expected[i]) return true;
  return false;
}

/** Adds the text of a recognised frame to what was read. */
export function countDelta(reading: Reading, kind: DeltaTemplate["kind"], bytes: number): void {
  if (kind === "visible") {
    reading.visible += bytes;
    if (bytes > 0) reading.deltas += 1;
  } else if (kind === "callBytes") {
    reading.callBytes += bytes;
    if (bytes > 0) reading.deltas += 1;
  } else if (kind === "thought") reading.thought += bytes;
}
