import type { Quality } from "../../core/call.ts";
import { canonicalUsage, type Usage } from "../../core/usage.ts";
import type { Reading, RequestFacts } from "./formats/format.ts";

/**
 * What text costs in tokens, by wire format. Fitted on one half of the recorded calls; `test/recordings.test.ts` prints
 * the error on the other half. No tokenizer of today's Claude or Gemini models is public, and none is needed for a
 * figure that is marked as an estimate.
 */
interface Rates {
  /** Tokens of any request, beside its text. */
  readonly request: number;
  /** UTF-8 bytes per token of the request's text. */
  readonly inputBytes: number;
  /** Tokens of having tools at all, and bytes per token of their definitions. */
  readonly tools: number;
  readonly toolBytes: number;
  readonly attachment: number;
  /** UTF-8 bytes per token of the response's text, and tokens of a tool call beside its text. */
  readonly outputBytes: number;
  readonly toolCall: number;
}

const CHAT: Rates = {
  request: 4,
  inputBytes: 4.6,
  tools: 20,
  toolBytes: 4.4,
  attachment: 365,
  outputBytes: 4.5,
  toolCall: 9,
};

const RATES: Readonly<Record<string, Rates>> = {
  "openai-chat": CHAT,
  "openai-responses": {
    request: 2,
    inputBytes: 3.8,
    tools: 10,
    toolBytes: 9.4,
    attachment: 505,
    outputBytes: 4.2,
    toolCall: 12,
  },
  "anthropic-messages": {
    request: 2,
    inputBytes: 3.4,
    tools: 490,
    toolBytes: 2.4,
    attachment: 245,
    outputBytes: 4.2,
    toolCall: 38,
  },
  "google-generate": {
    request: 1,
    inputBytes: 4.8,
    tools: 10,
    toolBytes: 10.9,
    attachment: 258,
    outputBytes: 4.6,
    toolCall: 5,
  },
};

export interface Resolved {
  readonly usage: Usage | undefined;
  readonly quality: Quality;
}

/** The usage of a call at its ending: what was reported, and an estimate, marked, of what was not. */
export function resolveUsage(format: string, facts: RequestFacts, reading: Reading): Resolved {
  const { usage, visible, thought, toolCalls, inputReported, outputReported } = reading;
  if (usage && inputReported && outputReported && visible + thought + toolCalls === 0) {
    return { usage, quality: "reported" };
  }
  if (reading.pending) return UNKNOWN;
  const rates = RATES[format] ?? CHAT;
  const input = inputReported ? usage?.input : estimateInput(facts, rates);
  if (input === undefined) return UNKNOWN;
  const reported = outputReported ? usage : undefined;
  const reasoning = Math.round(thought / rates.outputBytes);
  const shown = Math.ceil(visible / rates.outputBytes + toolCalls * rates.toolCall);
  return {
    usage: canonicalUsage({
      ...usage,
      input,
      output: (reported?.output ?? 0) + shown + reasoning,
      reasoning: (reported?.reasoning ?? 0) + reasoning,
    }),
    quality: "estimated",
  };
}

const UNKNOWN: Resolved = { usage: undefined, quality: "unknown" };

function estimateInput(facts: RequestFacts, rates: Rates): number | undefined {
  if (facts.inputBytes === undefined) return undefined;
  const tools = facts.toolBytes ? rates.tools + facts.toolBytes / rates.toolBytes : 0;
  return Math.round(rates.request + facts.inputBytes / rates.inputBytes + tools + facts.attachments * rates.attachment);
}
