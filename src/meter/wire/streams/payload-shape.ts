const QUOTE = 34;
const BACKSLASH = 92;
const LETTER_U = 117;
const ZERO = 48;
/** Bedrock pads its payloads with this member, so that their length tells nothing of the text. */
const PADDING = '"p":"';

/**
 * The shape of a stream's ordinary deltas: JSON that differs in one text and its padding only. Others of this shape are
 * measured byte by byte, without parsing.
 */
export interface PayloadShape {
  /** Up to the text. */
  readonly before: Uint8Array;
  /** From the quote behind the text, up to the padding where there is one. */
  readonly after: Uint8Array;
  readonly padded: boolean;
  readonly kind: "visible" | "thought";
}

/** Learns the shape of a delta, whose bytes `json` holds as Latin-1; undefined when it has no single text. */
export function learnShape(
  json: string,
  keys: readonly string[],
  kind: PayloadShape["kind"],
): PayloadShape | undefined {
  let offset = -1;
  for (const key of keys) {
    for (let at = json.indexOf(key); at >= 0; at = json.indexOf(key, at + 1)) {
      if (json[at + key.length] === '"') continue;
      if (offset >= 0) return undefined;
      offset = at + key.length;
    }
  }
  if (offset < 0) return undefined;
  let close = offset;
  while (close < json.length && json[close] !== '"') close += json[close] === "\\" ? 2 : 1;
  const rest = json.slice(close);
  const padding = rest.indexOf(PADDING);
  return {
    before: Buffer.from(json.slice(0, offset), "latin1"),
    after: Buffer.from(padding < 0 ? rest : rest.slice(0, padding + PADDING.length), "latin1"),
    padded: padding >= 0,
    kind,
  };
}

/** Bytes of UTF-8 of the text in a payload of this shape, escapes resolved; -1 when it has another shape. */
export function measureDelta(shape: PayloadShape, bytes: Uint8Array, from: number, to: number): number {
  const { before, after, padded } = shape;
  const start = from + before.length;
  if (start + after.length > to || differs(bytes, from, before)) return -1;
  let at = start;
  let escaped = 0;
  for (; at < to; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) break;
    if (byte !== BACKSLASH) continue;
    at += 1;
    escaped += 1;
    if (bytes[at] !== LETTER_U) continue;
    // \u00XX is at most two bytes, the rest three.
    escaped += bytes[at + 1] === ZERO && bytes[at + 2] === ZERO ? 4 : 2;
    at += 4;
  }
  const end = at + after.length;
  if (padded ? end > to : end !== to) return -1;
  return differs(bytes, at, after) ? -1 : at - start - escaped;
}

function differs(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return true;
  return false;
}
