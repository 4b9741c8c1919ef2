import { type Json, object, parse } from "../../core/json.ts";
import { concat, cut, endsEvent, findByte, frameEnd, likeChunk, restOfEvent } from "./bytes.ts";
import {
  countDelta,
  type DeltaMatch,
  type DeltaShapes,
  type DeltaTemplate,
  learnDelta,
  matchDelta,
  NULL_USAGE_BYTES,
} from "./delta-template.ts";
import type { Reading, WireFormat } from "./formats/format.ts";
import { findMember, isUsageFrame } from "./hidden-usage.ts";
import { LongText } from "./long-text.ts";
import type { StreamReader } from "./streams/stream-reader.ts";

const LF = 10;
const EMPTY = new Uint8Array(0);
const latin1 = Buffer.prototype.latin1Slice as (this: Uint8Array, start: number, end: number) => string;
const MAX_SHAPES = 100;
/** Frames of more bytes than this are read piece by piece, and are not held back. */
const LONG = 16 * 1024;

/**
 * Reads the frames of one event stream as its chunks pass by. A class, because there is one for each open stream.
 *
 * `hideUsage`: we asked for the usage, so it and every `"usage":null` is taken from what the caller gets. It continues
 * when the format fails: `onFault` is called, and the format not used again. `shapes` are what other streams of this API had.
 */
export class FrameReader implements StreamReader {
  readonly #format: WireFormat;
  readonly #reading: Reading;
  readonly #hideUsage: boolean;
  readonly #onFault: (error: unknown) => void;
  readonly #shapes: DeltaShapes;
  #broken = false;
  #carry: Uint8Array = EMPTY;
  #template: DeltaTemplate | undefined = undefined;
  /** The template has matched a frame that was looked at whole. */
  #proven = false;
  /** A frame that is long and has not ended, and its last bytes. */
  #long: LongText | undefined = undefined;
  #ends: Uint8Array = EMPTY;

  constructor(
    format: WireFormat,
    reading: Reading,
    hideUsage: boolean,
    onFault: (error: unknown) => void,
    shapes: DeltaShapes,
  ) {
    this.#format = format;
    this.#reading = reading;
    this.#hideUsage = hideUsage;
    this.#onFault = onFault;
    this.#shapes = shapes;
  }

  /**
   * Reads a chunk; the memory of an `owned` one is not shared. Returns what the caller gets of it: the
   * chunk itself, or, when we asked for usage, the chunk without what we asked for; then a frame that is not whole yet
   * is held back until it is.
   */
  push(chunk: Uint8Array, owned = false): Uint8Array {
    if (this.#long !== undefined) return this.#pushLong(this.#long, chunk, owned);
    // A frame that was not whole is so at the earliest with another line.
    if (this.#carry.length > 0 && findByte(chunk, LF, 0) < 0) return this.#carryOn(chunk);
    const bytes = this.#carry.length > 0 ? concat(this.#carry, chunk) : chunk;
    const cuts = newCuts();
    let at = 0;
    while (at < bytes.length) {
      const template = this.#template;
      if (
        template !== undefined &&
        matchDelta(template, bytes, at, MATCH) &&
        (this.#proven || this.#prove(template, bytes, at))
      ) {
        countDelta(this.#reading, template.kind, MATCH.bytes);
        if (this.#hideUsage && MATCH.nullUsage >= 0) cuts.push(MATCH.nullUsage, MATCH.nullUsage + NULL_USAGE_BYTES);
        at = MATCH.end;
        continue;
      }
      const end = frameEnd(bytes, at);
      if (end < 0) break;
      this.#readFrame(bytes, at, end, cuts);
      at = end;
    }
    if (bytes.length - at > LONG) {
      this.#openLong(bytes.subarray(at));
      at = bytes.length;
      // The chunk is the caller's from here on, who may change or transfer it; `slice` of a Buffer would share it.
    } else this.#carry = at < bytes.length ? new Uint8Array(bytes.subarray(at)) : EMPTY;
    if (!this.#hideUsage) return chunk;
    let kept = at === bytes.length ? bytes : bytes.subarray(0, at);
    // Its memory may still be shared, as with a recorded response that is replayed.
    if (cuts.length > 0) kept = cut(bytes === chunk && !owned ? new Uint8Array(bytes) : bytes, cuts, at);
    return likeChunk(kept, chunk);
  }

  /** A shorter frame may end before the text of the template, and another have its text just there. */
  #prove({ line }: DeltaTemplate, bytes: Uint8Array, at: number): boolean {
    this.#proven = findByte(bytes, LF, at + line) === MATCH.end - 2;
    return this.#proven;
  }

  #carryOn(chunk: Uint8Array): Uint8Array {
    const bytes = concat(this.#carry, chunk);
    if (bytes.length <= LONG) {
      this.#carry = bytes;
      return this.#hideUsage ? likeChunk(EMPTY, chunk) : chunk;
    }
    this.#openLong(bytes);
    return this.#hideUsage ? likeChunk(bytes, chunk) : chunk;
  }

  #openLong(bytes: Uint8Array): void {
    this.#carry = EMPTY;
    this.#long = new LongText();
    this.#long.add(bytes);
    this.#ends = bytes.subarray(-2).slice();
  }

  /** Reads on in a long frame, which the caller gets as it comes. */
  #pushLong(long: LongText, chunk: Uint8Array, owned: boolean): Uint8Array {
    const before = this.#ends;
    const seam = concat(before, chunk.subarray(0, 3));
    let end = frameEnd(seam, 0) - before.length;
    if (end <= 0) end = frameEnd(chunk, 0);
    if (end < 0) {
      long.add(chunk);
      this.#ends = seam.length === before.length + chunk.length ? seam.slice(-2) : chunk.slice(-2);
      return chunk;
    }
    const last = chunk.subarray(0, end);
    long.add(last);
    this.#long = undefined;
    this.#readLong(long);
    const rest = this.push(chunk.subarray(end), owned);
    if (!this.#hideUsage) return chunk;
    // Where the rest is the chunk's own memory, what stays of it may lie elsewhere.
    return likeChunk(concat(last, rest), chunk);
  }

  #readLong(long: LongText): void {
    const text = long.text();
    if (text !== undefined) this.#readText(text.trimEnd(), false);
  }

  /** The bytes held back, at the end of the stream. */
  rest(): Uint8Array {
    const left = this.#carry;
    const cuts = newCuts();
    if (this.#long !== undefined) this.#readLong(this.#long);
    this.#long = undefined;
    if (left.length > 0) this.#readFrame(left, 0, left.length, cuts);
    this.#carry = EMPTY;
    if (!this.#hideUsage) return EMPTY;
    return cuts.length === 0 ? left : cut(left, cuts, left.length);
  }

  /** The bytes held back and the chunk after them, unchanged, for when `push` or `rest` has failed. */
  release(chunk: Uint8Array): Uint8Array {
    const left = this.#hideUsage ? this.#carry : EMPTY;
    this.#carry = EMPTY;
    this.#long = undefined;
    return left.length === 0 ? chunk : concat(left, chunk);
  }

  endsEvent(passed: Uint8Array): boolean {
    return endsEvent(passed);
  }

  restOfEvent(passed: Uint8Array): Uint8Array | undefined {
    return restOfEvent(passed);
  }

  #readFrame(bytes: Uint8Array, from: number, to: number, cuts: number[]): void {
    if (to - from > LONG) {
      const long = new LongText();
      long.add(bytes.subarray(from, to));
      this.#readLong(long);
      return;
    }
    const frame = latin1.call(bytes, from, to).trimEnd();
    const { finished } = this.#reading;
    const json = this.#readText(frame, true);
    if (!this.#hideUsage || json?.usage === undefined) return;
    if (isUsageFrame(json, finished)) {
      cuts.push(from, to);
      return;
    }
    // A report in a frame that also holds something else may be there without our question, and stays.
    const member = json.usage === null ? findMember(frame, "usage") : undefined;
    if (member !== undefined) cuts.push(from + member.from, from + member.to);
  }

  /** `learns`: others like it need no parsing. */
  #readText(frame: string, learns: boolean): Json | undefined {
    let event = "";
    let data: string | undefined;
    if (frame.startsWith("data: ") && !frame.includes("\n")) data = frame.slice(6);
    else
      for (const line of frame.split("\n")) {
        if (line.startsWith("data:")) {
          const value = line.slice(line[5] === " " ? 6 : 5);
          data = data === undefined ? value : `${data}\n${value}`;
        } else if (line.startsWith("event:")) event = line.slice(6).trim();
      }
    if (data === undefined || this.#format.silentEvents?.has(event)) return undefined;
    if (data.trim() === "[DONE]") {
      this.#reading.terminal = true;
      return undefined;
    }
    const json = object(parse(data));
    if (json && !this.#broken) this.#understand(json, event, learns ? frame : undefined);
    return json;
  }

  #understand(json: Json, event: string, frame: string | undefined): void {
    const reading = this.#reading;
    const { visible, callBytes, thought } = reading;
    try {
      const ordinary = this.#format.readFrame(json, event, reading);
      const shows = reading.visible > visible ? "visible" : reading.callBytes > callBytes ? "callBytes" : undefined;
      if (shows !== undefined) reading.deltas += 1;
      const shapes = this.#shapes;
      const key = this.#hideUsage ? `${reading.model} hidden` : `${reading.model}`;
      // Before it is known what stream this is, nothing may be left unread.
      if (this.#template === undefined && reading.recognized) {
        this.#template = shapes.get(key);
        this.#proven = false;
        if (this.#template) return;
      }
      if (!ordinary || frame === undefined) return;
      const kind = shows ?? (reading.thought > thought ? "thought" : "none");
      const learned = learnDelta(frame, this.#format, kind, reading.responseId);
      if (learned === undefined) return;
      // Of what is recognised only this spelling of no usage is taken out.
      if (this.#hideUsage && json.usage !== undefined && learned.nullUsage < 0) return;
      this.#template = learned;
      this.#proven = false;
      if (learned.shared && (shapes.size < MAX_SHAPES || shapes.has(key))) shapes.set(key, learned);
    } catch (error) {
      this.#broken = true;
      this.#template = undefined;
      this.#onFault(error);
    }
  }
}

/** What the last frame that matched held; used at once. */
const MATCH: DeltaMatch = { end: 0, bytes: 0, nullUsage: -1 };

/** Ranges to take out of one chunk: from, to, from, to … */
const CUTS: number[] = [];

function newCuts(): number[] {
  if (CUTS.length > 0) CUTS.length = 0;
  return CUTS;
}
