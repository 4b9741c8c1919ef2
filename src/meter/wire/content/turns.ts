import { object } from "../../../core/json.ts";
import { type Measured, measureText } from "../text.ts";

/**
 * The messages of a request by their lengths alone, so that a later request is recognised as one that continues it. No
 * text is kept.
 */
export interface Turns {
  /**
   * Of the last {@link MAX_STEPS} messages, in order, three numbers each: a hash of the lengths of all messages up to
   * it, the bytes of text up to it, and 1 for what the model itself said, else 0.
   */
  readonly steps: readonly number[];
  /** Bytes of the system messages at the beginning. */
  readonly lead: number;
}

/** What one message adds to a request: a few results of tools. Longer additions are estimated as a first request. */
const MAX_STEPS = 32;
/** Numbers of a message in `steps`. */
export const STEP = 3;

/** Measures messages one by one. `seed`: what else has to be equal, such as the bytes of the system prompt. */
export function measureTurns(messages: unknown, seed: number, into: Measured): Turns {
  const list: readonly unknown[] = Array.isArray(messages) ? messages : [messages];
  const first = list.length - MAX_STEPS;
  const start = into.bytes;
  const steps: number[] = [];
  let hash = mix(seed, list.length === 0 ? 1 : 2);
  let lead = 0;
  let leads = true;
  for (let index = 0; index < list.length; index++) {
    const message = list[index];
    const before = into.content;
    measureText(message, into);
    hash = mix(hash, into.content - before);
    const role = object(message)?.role;
    leads &&= role === "system" || role === "developer";
    if (leads) lead = into.bytes - start;
    if (index >= first) steps.push(hash, into.bytes - start, isAnswer(message, role) ? 1 : 0);
  }
  return { steps, lead };
}

/** What the model said before: a message of its own, or an item of a response, such as a call of a function. */
function isAnswer(message: unknown, role: unknown): boolean {
  if (role !== undefined) return role === "assistant" || role === "model";
  const type = object(message)?.type;
  return typeof type === "string" && (type === "reasoning" || type.endsWith("_call"));
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
