import type { Quality } from "../../core/call.ts";
import { canonicalUsage, type Usage } from "../../core/usage.ts";
import type { Reading, RequestFacts } from "./formats/format.ts";
import type { EstimateRates } from "./rates.ts";

export interface Resolved {
  readonly usage: Usage | undefined;
  readonly quality: Quality;
}

/** The usage of a call at its ending: what was reported, and an estimate, marked, of what was not. `rates`: of its format. */
export function resolveUsage(rates: EstimateRates, facts: RequestFacts, reading: Reading): Resolved {
  const { usage, visible, thought, toolCalls, inputReported, outputReported } = reading;
  if (usage && inputReported && outputReported && visible + thought + toolCalls === 0) {
    return { usage, quality: "reported" };
  }
  if (reading.pending) return UNKNOWN;
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

function estimateInput(facts: RequestFacts, rates: EstimateRates): number | undefined {
  if (facts.inputBytes === undefined) return undefined;
  const tools = facts.toolBytes ? rates.tools + facts.toolBytes / rates.toolBytes : 0;
  return Math.round(rates.request + facts.inputBytes / rates.inputBytes + tools + facts.attachments * rates.attachment);
}
