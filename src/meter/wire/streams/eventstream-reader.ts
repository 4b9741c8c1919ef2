import { type Json, object, parse } from "../../../core/json.ts";
import { findByte } from "../bytes.ts";
import type { Reading, WireFormat } from "../formats/format.ts";
import { LongText } from "../long-text.ts";
import { areLengths, CHECKSUM, PRELUDE, readHead, uint32 } from "./eventstream-frame.ts";
import { learnShape, measureDelta, type PayloadShape } from "./payload-shape.ts";
import type { StreamReader } from "./stream-reader.ts";

const EMPTY = new Uint8Array(0);
const QUOTE = 34;
/** Frames of more bytes than this are read piece by piece. */
const LONG = 64 * 1024;
/** How the payload of a `chunk` begins, whose base64 holds the JSON of the model's vendor. */
const WRAPPED = Buffer.from('{"bytes":"');
/** What was last unwrapped; used at once. */
const SCRATCH = Buffer.alloc(16 * 1024);
const latin1 = Buffer.prototype.latin1Slice as (this: Uint8Array, start: number, end: number) => string;

/** An ordinary delta of the stream: its headers and the shape of its payload. */
interface Delta {
  readonly head: Uint8Array;
  readonly shape: PayloadShape;
  readonly wrapped: boolean;
}

/** The JSON of an event: a part of the frame, or what was unwrapped. */
interface Payload {
  bytes: Uint8Array;
  from: number;
  to: number;
}

/**
 * Reads one stream of `application/vnd.amazon.eventstream`. A class, because there is one for each open stream. Chunks
 * are never held back nor changed. Lengths are checked, checksums are not; behind a frame whose lengths cannot be,
 * nothing is read any more. When the format fails, `onFault` is called and the format not used again.
 */
export class EventStreamReader implements StreamReader {
  readonly #format: WireFormat;
  readonly #reading: Reading;
  readonly #onFault: (error: unknown) => void;
  #broken = false;
  #lost = false;
  /** The frame that has not ended: its length once that is known, its first bytes, and how many of it have come. */
  #total = 0;
  #head = 0;
  #held: Uint8Array = EMPTY;
  #come = 0;
  /** The payload of a long frame. */
  #long: LongText | undefined = undefined;
  /** Where in the last chunk its first frame ends, or -1. */
  #firstEnd = -1;
  #delta: Delta | undefined = undefined;

  constructor(format: WireFormat, reading: Reading, onFault: (error: unknown) => void) {
    this.#format = format;
    this.#reading = reading;
    this.#onFault = onFault;
  }

  push(chunk: Uint8Array): Uint8Array {
    this.#firstEnd = -1;
    const { length } = chunk;
    let at = 0;
    while (at < length && !this.#lost) {
      if (this.#come === 0 && length - at >= PRELUDE) {
        const total = uint32(chunk, at);
        const head = uint32(chunk, at + 4);
        if (!areLengths(total, head)) {
          this.#lose();
          break;
        }
        if (total <= LONG && total <= length - at) {
          this.#readFrame(chunk, at, total, head);
          at += total;
          if (this.#firstEnd < 0) this.#firstEnd = at;
          continue;
        }
      }
      at = this.#hold(chunk, at);
      if (this.#come === 0 && this.#firstEnd < 0 && !this.#lost) this.#firstEnd = at;
    }
    return chunk;
  }

  rest(): Uint8Array {
    return EMPTY;
  }

  release(chunk: Uint8Array): Uint8Array {
    return chunk;
  }

  endsEvent(): boolean {
    return this.#come === 0 && !this.#lost;
  }

  restOfEvent(passed: Uint8Array): Uint8Array | undefined {
    return this.#firstEnd < 0 ? undefined : passed.subarray(0, this.#firstEnd);
  }

  /** Takes what the chunk has of a frame that is not whole in it, or long. Returns where that ends. */
  #hold(chunk: Uint8Array, from: number): number {
    let at = from;
    if (this.#total === 0) {
      if (this.#come === 0) this.#held = new Uint8Array(PRELUDE);
      at = this.#fill(chunk, at);
      if (this.#come < PRELUDE) return at;
      this.#open();
      if (this.#lost) return at;
    }
    at = this.#fill(chunk, at);
    if (this.#come < this.#held.length) return at;
    if (this.#long !== undefined) at = this.#addLong(this.#long, chunk, at);
    if (this.#come === this.#total) this.#close();
    return at;
  }

  /** Copies into what is held, as far as that goes: the chunk is the caller's, who may change it. */
  #fill(chunk: Uint8Array, at: number): number {
    const count = Math.min(this.#held.length - this.#come, chunk.length - at);
    if (count <= 0) return at;
    this.#held.set(chunk.subarray(at, at + count), this.#come);
    this.#come += count;
    return at + count;
  }

  /** The prelude is there. Of a long frame only the headers are held. */
  #open(): void {
    const prelude = this.#held;
    const total = uint32(prelude, 0);
    const head = uint32(prelude, 4);
    if (!areLengths(total, head)) {
      this.#lose();
      return;
    }
    this.#total = total;
    this.#head = head;
    if (total > LONG) this.#long = new LongText();
    this.#held = new Uint8Array(total > LONG ? PRELUDE + head : total);
    this.#held.set(prelude);
  }

  #addLong(long: LongText, chunk: Uint8Array, at: number): number {
    const count = Math.min(this.#total - this.#come, chunk.length - at);
    const payload = Math.min(count, this.#total - CHECKSUM - this.#come);
    if (payload > 0) long.add(chunk.subarray(at, at + payload));
    this.#come += count;
    return at + count;
  }

  #close(): void {
    const long = this.#long;
    if (long === undefined) this.#readFrame(this.#held, 0, this.#total, this.#head);
    else {
      const head = readHead(this.#held, PRELUDE, this.#held.length);
      const text = long.text();
      if (head?.message === "exception" || head?.message === "error") this.#reading.failed = true;
      else if (head !== undefined && text !== undefined) this.#understand(object(parse(text)), head.event);
    }
    this.#reset();
  }

  #reset(): void {
    this.#total = 0;
    this.#come = 0;
    this.#held = EMPTY;
    this.#long = undefined;
  }

  #lose(): void {
    this.#reset();
    this.#lost = true;
  }

  #readFrame(bytes: Uint8Array, at: number, total: number, headLength: number): void {
    const headFrom = at + PRELUDE;
    const from = headFrom + headLength;
    const to = at + total - CHECKSUM;
    const delta = this.#delta;
    if (delta !== undefined && isEqual(bytes, headFrom, from, delta.head)) {
      const payload = delta.wrapped ? unwrap(bytes, from, to) : setPayload(bytes, from, to);
      if (payload !== undefined && this.#measure(delta.shape, payload)) return;
    }
    const head = readHead(bytes, headFrom, from);
    if (head === undefined) return;
    if (head.message !== "event") {
      if (head.message === "exception" || head.message === "error") this.#reading.failed = true;
      return;
    }
    const wrapped = head.event === "chunk";
    const payload = (wrapped ? unwrap(bytes, from, to) : undefined) ?? setPayload(bytes, from, to);
    const text = latin1.call(payload.bytes, payload.from, payload.to);
    const kind = this.#understand(object(parse(text)), head.event);
    if (kind === undefined) return;
    const shape = learnShape(text, this.#format.deltaKeys, kind);
    this.#delta = shape && { head: bytes.slice(headFrom, from), shape, wrapped };
  }

  #measure(shape: PayloadShape, { bytes, from, to }: Payload): boolean {
    const length = measureDelta(shape, bytes, from, to);
    if (length < 0) return false;
    const reading = this.#reading;
    if (shape.kind === "thought") reading.thought += length;
    else {
      reading.visible += length;
      if (length > 0) reading.deltas += 1;
    }
    return true;
  }

  /** Returns what an ordinary delta added to; undefined for all else. */
  #understand(json: Json | undefined, event: string): PayloadShape["kind"] | undefined {
    if (json === undefined || this.#broken) return undefined;
    const reading = this.#reading;
    const { visible, thought } = reading;
    try {
      const ordinary = this.#format.readFrame(json, event, reading);
      if (reading.visible > visible) reading.deltas += 1;
      if (!ordinary) return undefined;
      return reading.visible > visible ? "visible" : reading.thought > thought ? "thought" : undefined;
    } catch (error) {
      this.#broken = true;
      this.#delta = undefined;
      this.#onFault(error);
      return undefined;
    }
  }
}

/** The payload that is being read; used at once. */
const PAYLOAD: Payload = { bytes: EMPTY, from: 0, to: 0 };

function setPayload(bytes: Uint8Array, from: number, to: number): Payload {
  PAYLOAD.bytes = bytes;
  PAYLOAD.from = from;
  PAYLOAD.to = to;
  return PAYLOAD;
}

/** What the base64 of a payload holds; undefined when it has another form. */
function unwrap(bytes: Uint8Array, from: number, to: number): Payload | undefined {
  const start = from + WRAPPED.length;
  if (start > to || !isEqual(bytes, from, start, WRAPPED)) return undefined;
  const quote = findByte(bytes, QUOTE, start);
  if (quote < 0 || quote >= to) return undefined;
  const base64 = latin1.call(bytes, start, quote);
  if (base64.length > SCRATCH.length) {
    const own = Buffer.from(base64, "base64");
    return setPayload(own, 0, own.length);
  }
  return setPayload(SCRATCH, 0, SCRATCH.write(base64, "base64"));
}

function isEqual(bytes: Uint8Array, from: number, to: number, expected: Uint8Array): boolean {
  if (to - from !== expected.length) return false;
  for (let i = 0; i < expected.length; i++) if (bytes[from + i] !== expected[i]) return false;
  return true;
}
