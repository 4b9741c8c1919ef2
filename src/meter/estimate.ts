import { canonicalUsage, type Usage } from "../core/usage.ts";
import type { Quality } from "../core/call.ts";
import type { Reading, RequestFacts } from "./wire/format.ts";

/**
 * Bytes of UTF-8 a token takes, by wire format, fitted on one half of the recorded calls and checked against the other
 * (`test/estimates.test.ts` prints both). No tokenizer of today's models is public, and none is needed for a figure
 * that is marked as an estimate.
 */
interface Rates {
  readonly inputBytes: number;
  /** Tokens every request costs beside its text. */
  readonly inputBase: number;
  readonly attachment: number;
  readonly outputBytes: number;
}

const DEFAULT: Rates = { inputBytes: 4.2, inputBase: 8, attachment: 800, outputBytes: 4 };

const RATES: Readonly<Record<string, Rates>> = {
  "openai-chat": DEFAULT,
  "openai-responses": DEFAULT,
  "anthropic-messages": DEFAULT,
  "google-generate": DEFAULT,
};

export interface Resolved {
  readonly usage: Usage | undefined;
  readonly quality: Quality;
}

/** The usage of a call at its ending: what was reported, and an estimate, marked, of what was not. */
export function resolveUsage(format: string, facts: RequestFacts, reading: Reading): Resolved {
  const { usage, visible, thought } = reading;
  if (usage && reading.inputReported && reading.outputReported && visible === 0 && thought === 0) {
    return { usage, quality: "reported" };
  }
  if (reading.pending) return { usage: undefined, quality: "unknown" };
  const rates = RATES[format] ?? DEFAULT;
  const input = reading.inputReported ? usage?.input : estimateInput(facts, rates);
  if (input === undefined) return { usage: undefined, quality: "unknown" };
  const soFar = reading.outputReported ? (usage?.output ?? 0) : 0;
  const reasoning = Math.round(thought / rates.outputBytes);
  const shown = visible > 0 ? Math.max(1, Math.round(visible / rates.outputBytes)) : 0;
  return {
    usage: canonicalUsage({
      ...usage,
      input,
      output: soFar + shown + reasoning,
      reasoning: (reading.outputReported ? (usage?.reasoning ?? 0) : 0) + reasoning,
    }),
    quality: "estimated",
  };
}

function estimateInput(facts: RequestFacts, rates: Rates): number | undefined {
  if (facts.inputBytes === undefined) return undefined;
  return Math.round(rates.inputBase + facts.inputBytes / rates.inputBytes + facts.attachments * rates.attachment);
}
