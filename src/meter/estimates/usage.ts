import type { Quality } from "../../core/call.ts";
import { canonicalUsage, type Usage } from "../../core/usage.ts";
import type { Effort } from "../wire/content/effort.ts";
import type { Reading, RequestFacts } from "../wire/formats/format.ts";
import type { EstimateRates, RatesOf } from "../wire/rates.ts";
import { estimateInput } from "./input.ts";
import { type Knowledge, knownModel, type ModelKnowledge } from "./knowledge.ts";

export interface Resolved {
  readonly usage: Usage | undefined;
  readonly quality: Quality;
}

/** The usage of a call at its ending: what was reported, and an estimate, marked, of what was not. `format`: the rates of its format. */
export function resolveUsage(knowledge: Knowledge, format: RatesOf, facts: RequestFacts, reading: Reading): Resolved {
  const { usage, visible, callBytes, thought, toolCalls, audio, inputReported, outputReported } = reading;
  if (usage && inputReported && outputReported && visible + callBytes + thought + toolCalls + audio === 0) {
    return { usage, quality: "reported" };
  }
  if (reading.pending) return UNKNOWN;
  const model = knownModel(knowledge, format, facts.model);
  const input = inputReported ? usage?.input : estimateInput(knowledge, model, facts)?.tokens;
  if (input === undefined) return UNKNOWN;
  const reported = outputReported ? usage : undefined;
  const reasoning = outputReported ? Math.round(thought / outputRate(model)) : estimateReasoning(model, facts, reading);
  const shown = Math.ceil(textTokens(model, reading) + callTokens(model.rates, reading));
  return {
    usage: canonicalUsage({
      ...usage,
      input: Math.round(input),
      output: (reported?.output ?? 0) + shown + reasoning + Math.ceil(audio),
      outputAudio: (reported?.outputAudio ?? 0) + Math.ceil(audio),
      reasoning: (reported?.reasoning ?? 0) + reasoning,
    }),
    quality: "estimated",
  };
}

const UNKNOWN: Resolved = { usage: undefined, quality: "unknown" };

/** Bytes of a frame with one token in it, in the mean: what is shorter is cut by letters, what is longer by time. */
const MIN_TOKEN = 1.5;
const MAX_TOKEN = 7;

/** Many vendors send a frame for each token; of the others the bytes say more. */
function textTokens(model: ModelKnowledge, { visible, callBytes, deltas }: Reading): number {
  const frame = (visible + callBytes) / deltas;
  if (frame >= MIN_TOKEN && frame <= MAX_TOKEN) return deltas;
  return visible / outputRate(model) + callBytes / model.rates.argumentBytes;
}

/** Bytes of a call of a tool that hold most of its arguments' names: what follows is text. */
const NAMES = 60;

/** Tokens of calls of tools beside their text: some vendors write each argument with marks of its own. */
function callTokens(rates: EstimateRates, { callBytes, toolCalls }: Reading): number {
  if (toolCalls === 0) return 0;
  return rates.calls + toolCalls * rates.toolCall + Math.min(callBytes, toolCalls * NAMES) * rates.argumentMarks;
}

/** Tokens of output that count as much as the rate of the format. */
const PRIOR_TOKENS = 60;

/** Tokens of reasoning of a model of which nothing is known but that it has begun to reason. */
const FIRST_REASONING = 128;

/** What can be read, at the rate of the model; else what the model reasons typically, half of it while that goes on. */
function estimateReasoning(model: ModelKnowledge, { effort }: RequestFacts, reading: Reading): number {
  const { visible, callBytes, thought, toolCalls, reasons, recognized } = reading;
  if (thought > 0) {
    const known = PRIOR_TOKENS * model.rates.outputBytes + model.thoughtBytes;
    return Math.round((thought * (PRIOR_TOKENS + model.thoughtTokens)) / known);
  }
  if (!recognized) return 0;
  const typical = typicalReasoning(model, effort) ?? (reasons ? FIRST_REASONING : 0);
  return Math.round(visible + callBytes + toolCalls > 0 ? typical : typical / 2);
}

/** What the model reasons at this effort, or, where that is not known and it is to reason at all, at its own. */
function typicalReasoning({ hiddenReasoning }: ModelKnowledge, effort: Effort | undefined): number | undefined {
  if (effort === undefined) return hiddenReasoning.get("unsaid");
  const known = hiddenReasoning.get(effort);
  if (known !== undefined) return known;
  return effort === "none" || effort === "minimal" ? 0 : hiddenReasoning.get("unsaid");
}

/** Bytes per token of a model's output. */
function outputRate({ rates, outputBytes, outputTokens }: ModelKnowledge): number {
  return (PRIOR_TOKENS * rates.outputBytes + outputBytes) / (PRIOR_TOKENS + outputTokens);
}
