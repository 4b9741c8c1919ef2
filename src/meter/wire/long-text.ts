import { type Json, object, parse } from "../../core/json.ts";
import { findByte } from "./bytes.ts";

/** Strings of more bytes than this are left out: images, audio, files. */
const MAX_STRING = 16 * 1024;
/** What remains without them may have this many bytes. */
const MAX_KEPT = 2 * 1024 * 1024;
/** The beginning and the end that are looked at when that is not enough, in bytes. */
const EDGE = 16 * 1024;
/** Places that are tried as the border of a whole member. */
const MAX_TRIES = 300;

const QUOTE = 34;
const BACKSLASH = 92;
const EMPTY = new Uint8Array(0);
const latin1 = Buffer.prototype.latin1Slice as (this: Uint8Array, start: number, end?: number) => string;

/**
 * JSON of any size, of which only what may matter is kept while its bytes pass: all but the contents of long strings.
 * Each byte is looked at once, and the memory is bounded.
 */
export class LongText {
  /** What is kept, in its first bytes. */
  #buffer: Uint8Array = new Uint8Array(4 * EDGE);
  #kept = 0;
  #inString = false;
  /** Bytes of the current string so far, and where its content begins in what is kept. */
  #length = 0;
  #mark = 0;
  /** The next byte is escaped by a backslash before it. */
  #escaped = false;
  #overflown = false;
  #head: Uint8Array = EMPTY;
  /** The last bytes, in its first bytes. */
  #tail = new Uint8Array(2 * EDGE);
  #tailLength = 0;

  add(bytes: Uint8Array): void {
    if (this.#head.length < EDGE) this.#head = Buffer.concat([this.#head, bytes.subarray(0, EDGE - this.#head.length)]);
    this.#addTail(bytes.length > EDGE ? bytes.subarray(bytes.length - EDGE) : bytes);
    for (let at = 0; at < bytes.length && !this.#overflown; ) at = this.#step(bytes, at);
  }

  /** The text without its long strings, one byte a character; undefined when that is too long as well. */
  text(): string | undefined {
    return this.#overflown ? undefined : latin1.call(this.#buffer, 0, this.#kept);
  }

  /** Parses it: without its long strings or, when that is too long as well, the whole members at both ends. */
  parse(): unknown {
    return this.#overflown ? this.edges() : parse(Buffer.from(this.#buffer.buffer, 0, this.#kept).toString());
  }

  /** The whole members at the beginning and the end, of an object too long for {@link text}. */
  edges(): Json | undefined {
    const tail = latin1.call(this.#tail, Math.max(0, this.#tailLength - EDGE), this.#tailLength);
    return readEdges(latin1.call(this.#head, 0), tail);
  }

  #addTail(bytes: Uint8Array): void {
    if (this.#tailLength + bytes.length > this.#tail.length) {
      this.#tail.copyWithin(0, this.#tailLength - EDGE, this.#tailLength);
      this.#tailLength = EDGE;
    }
    this.#tail.set(bytes, this.#tailLength);
    this.#tailLength += bytes.length;
  }

  /** Reads on to where a string begins or ends. */
  #step(bytes: Uint8Array, at: number): number {
    if (!this.#inString) {
      const quote = findByte(bytes, QUOTE, at);
      const end = quote < 0 ? bytes.length : quote + 1;
      this.#keep(bytes, at, end);
      if (quote >= 0) this.#open();
      return end;
    }
    const close = this.#close(bytes, at);
    const end = close < 0 ? bytes.length : close;
    this.#length += end - at;
    if (this.#length <= MAX_STRING) this.#keep(bytes, at, end);
    else this.#kept = this.#mark;
    if (close < 0) return end;
    this.#inString = false;
    this.#keep(bytes, close, close + 1);
    return close + 1;
  }

  #open(): void {
    this.#inString = true;
    this.#length = 0;
    this.#mark = this.#kept;
  }

  /** The quote that ends the current string, or -1. */
  #close(bytes: Uint8Array, from: number): number {
    let start = from;
    if (this.#escaped) {
      this.#escaped = false;
      start += 1;
    }
    for (let at = start; ; ) {
      const quote = findByte(bytes, QUOTE, at);
      const end = quote < 0 ? bytes.length : quote;
      let slash = end;
      while (slash > at && bytes[slash - 1] === BACKSLASH) slash -= 1;
      const escaped = (end - slash) % 2 === 1;
      if (quote < 0) {
        this.#escaped = escaped;
        return -1;
      }
      if (!escaped) return quote;
      at = quote + 1;
    }
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    const kept = this.#kept + to - from;
    if (kept > MAX_KEPT) {
      this.#overflown = true;
      this.#buffer = EMPTY;
      return;
    }
    if (kept > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(kept, 2 * this.#buffer.length));
      larger.set(this.#buffer.subarray(0, this.#kept));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes.subarray(from, to), this.#kept);
    this.#kept = kept;
  }
}

/** Bodies of more bytes than this are read as {@link LongText}. */
export const LONG_BODY: number = 256 * 1024;
const SLICE = 1024 * 1024;

/** A body's text or bytes, parsed at any size; another value is parsed already. */
export function parseBody(body: unknown): unknown {
  if (typeof body !== "string" && !(body instanceof Uint8Array)) return body;
  if (body.length <= LONG_BODY) return parse(typeof body === "string" ? body : new TextDecoder().decode(body));
  const long = new LongText();
  for (let at = 0; at < body.length; at += SLICE) {
    const slice = typeof body === "string" ? Buffer.from(body.slice(at, at + SLICE)) : body.subarray(at, at + SLICE);
    long.add(slice);
  }
  return long.parse();
}

/**
 * Members of the outermost object only: what is cut off behind a member and closed by one brace parses as an object
 * just where one was open, and likewise from the other end.
 */
function readEdges(head: string, tail: string): Json | undefined {
  const first = longest(commasOf(head).reverse(), (at) => `${head.slice(0, at)}}`);
  const last = longest(commasOf(tail), (at) => `{${tail.slice(at + 1)}`);
  return first || last ? { ...first, ...last } : undefined;
}

function longest(places: readonly number[], textAt: (at: number) => string): Json | undefined {
  for (const at of places.slice(0, MAX_TRIES)) {
    const found = object(parse(textAt(at)));
    if (found) return found;
  }
  return undefined;
}

/** Where commas before a key are. */
function commasOf(text: string): number[] {
  return Array.from(text.matchAll(/,(?=\s*"[^"\\]*"\s*:)/g), ({ index }) => index);
}
