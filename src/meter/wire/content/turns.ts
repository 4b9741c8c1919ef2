import { array, type Json, object } from "../../../core/json.ts";
import { type Measured, measureText } from "../text.ts";

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
