import type { OpenCall } from "../../call/open-call.ts";
import type { Cut } from "../../call/services.ts";
import { newReading } from "../../wire/formats/format.ts";
import type { Target } from "../../wire/target.ts";
import { type CodedTail, MAX_MORE, tailOf } from "./coded-tail.ts";

/** Of a longer stream nothing is kept: it can only be ended with an error. */
const MAX_PAST = 1024 * 1024;
const MAX_TEXT = 16 * 1024 * 1024;
/** So many chunks may still pass before a place is found where our event can stand. */
const MAX_CHUNKS = 16;

/** How a coded stream is cut: with bytes that end it, or, where it cannot be ended so, with an error. */
export type CodedCut =
  | { readonly type: "tail"; readonly bytes: Uint8Array }
  | { readonly type: "error"; readonly error: Error };

/** What has passed of a coded stream, kept so that it can be ended by an event of ours. */
export interface CodedPast {
  /** The next chunk is about to pass: what passes in its place, and ends the stream; undefined where it passes. */
  next(chunk: Uint8Array): CodedCut | undefined;
}

/** Undefined for a call whose stream is not cut. */
export function keepPast(call: OpenCall, encoding: string): CodedPast | undefined {
  if (!call.cuttable || !call.stream) return undefined;
  const chunks: Uint8Array[] = [];
  let size = 0;
  let tries = 0;
  return {
    next(chunk) {
      const cut = call.cutBy;
      if (cut !== undefined && cut !== "done" && !call.settled) {
        const bytes = size > MAX_PAST ? undefined : endStream(call.target, encoding, Buffer.concat(chunks), cut);
        if (bytes instanceof Uint8Array) return { type: "tail", bytes };
        tries += 1;
        if (bytes === undefined || tries > MAX_CHUNKS) return { type: "error", error: cut.error() };
      }
      size += chunk.length;
      // A copy: the memory is the reader's.
      if (size <= MAX_PAST) chunks.push(new Uint8Array(chunk));
      else chunks.length = 0;
      return undefined;
    },
  };
}

/**
 * What ends a stream with an event of ours behind `past`. `later` where an event has not passed whole, or the encoder has
 * not flushed behind it; undefined where it can never be ended so. Whatever is returned has been read back.
 */
function endStream(
  target: Target,
  encoding: string,
  past: Uint8Array,
  { event }: Cut,
): Uint8Array | "later" | undefined {
  const tail = tailOf(encoding);
  if (tail === undefined || event.length > MAX_MORE) return undefined;
  try {
    const text = past.length === 0 ? past : tail.readSoFar(past, MAX_TEXT);
    if (!endsEvent(target, text)) return "later";
    const end = tail.end(text, event);
    return isWhole(tail, Buffer.concat([past, end]), Buffer.concat([text, event])) ? end : "later";
  } catch {
    return undefined;
  }
}

/** False too where the last byte of what has passed is in the middle of what the encoder is writing. */
function isWhole(tail: CodedTail, stream: Uint8Array, text: Buffer): boolean {
  try {
    return text.equals(tail.readWhole(stream));
  } catch {
    return false;
  }
}

function endsEvent({ framing, format, host }: Target, text: Uint8Array): boolean {
  const reader = framing.open(format, newReading(host), false, ignore, new Map());
  return reader.endsEvent(reader.push(text));
}

function ignore(): void {}
