import type { RequestFacts } from "../wire/formats/format.ts";
import type { EstimateRates } from "../wire/rates.ts";
import { hashText, mix, STEP, type Turns } from "../wire/content/turns.ts";
import type { Conversation, Knowledge, ModelKnowledge } from "./knowledge.ts";
import { type Basis, SLACK_TOKENS } from "./margin.ts";

/** An estimate of a call's input tokens. */
export interface InputEstimate {
  readonly tokens: number;
  /** The part of `tokens` that a vendor reported for earlier calls. */
  readonly known: number;
  readonly basis: Basis;
  /** The conversation that the call continues. */
  readonly conversation: Conversation | undefined;
}

/** The input of a request, by what earlier calls taught; undefined when its body could not be read. */
export function estimateInput(
  knowledge: Knowledge,
  model: ModelKnowledge,
  rates: EstimateRates,
  facts: RequestFacts,
): InputEstimate | undefined {
  if (facts.inputBytes === undefined) return undefined;
  const { turns } = facts;
  if (turns !== undefined) {
    const found =
      facts.continues === undefined
        ? continueTurns(knowledge, model, rates, facts, turns)
        : continueById(knowledge, rates, facts, turns, facts.continues);
    if (found !== undefined) return found;
    const overhead = model.overheads.get(overheadKey(facts, turns));
    if (overhead !== undefined) {
      const tokens = overhead.tokens + ownTokens(rates, facts, turns);
      return { tokens: Math.max(1, tokens), known: overhead.tokens, basis: "alike", conversation: undefined };
    }
  }
  const text = rates.request + facts.inputBytes / rates.inputBytes;
  const tokens = text + toolTokens(rates, facts.toolBytes) + attachmentTokens(rates, facts);
  return { tokens, known: 0, basis: "first", conversation: undefined };
}

/** The most that the input is held to be. */
export function inputLimit({ tokens, known, basis }: InputEstimate, { margins }: ModelKnowledge): number {
  return known + Math.max(0, tokens - known) * margins[basis] + SLACK_TOKENS;
}

/** The request begins with the messages of an earlier one, and mostly with the answer to it. */
function continueTurns(
  knowledge: Knowledge,
  model: ModelKnowledge,
  rates: EstimateRates,
  facts: RequestFacts,
  { steps }: Turns,
): InputEstimate | undefined {
  for (let at = steps.length - STEP; at >= 0; at -= STEP) {
    const conversation = knowledge.conversations.get(mix(steps[at] as number, model.id));
    if (conversation === undefined) continue;
    let answered = at;
    while (steps[answered + STEP + 2] === 1) answered += STEP;
    const known = conversation.input + (answered > at ? conversation.output : 0);
    const added = (steps.at(1 - STEP) as number) - (steps[answered + 1] as number);
    return continued(conversation, rates, facts, known, added);
  }
  return undefined;
}

/** The vendor keeps what came before. The system prompt is not part of that: each request has its own. */
function continueById(
  knowledge: Knowledge,
  rates: EstimateRates,
  facts: RequestFacts,
  { steps }: Turns,
  id: string,
): InputEstimate | undefined {
  const conversation = knowledge.conversations.get(hashText(id));
  if (conversation === undefined) return undefined;
  const added = (steps.at(1 - STEP) ?? 0) + (facts.fixedBytes ?? 0) - conversation.fixedBytes;
  // What is sent comes on top of the attachments that are kept.
  const kept = { ...conversation, attachments: 0 };
  const found = continued(kept, rates, facts, conversation.input + conversation.output, added);
  return { ...found, conversation };
}

function continued(
  conversation: Conversation,
  rates: EstimateRates,
  facts: RequestFacts,
  known: number,
  addedBytes: number,
): InputEstimate {
  const tools = toolTokens(rates, facts.toolBytes) - toolTokens(rates, conversation.toolBytes);
  const attachments = facts.attachments === undefined ? 0 : attachmentTokens(rates, facts);
  const tokens = known + addedBytes / rates.inputBytes + tools + attachments - conversation.attachments;
  return { tokens: Math.max(1, tokens), known, basis: "continued", conversation };
}

/** Equal for requests that differ in their conversation only. */
export function overheadKey({ fixedBytes = 0, toolBytes = 0 }: RequestFacts, { lead }: Turns): number {
  return mix(mix(fixedBytes, lead), toolBytes);
}

/** Estimated tokens of the conversation itself, without what {@link overheadKey} stands for. */
export function ownTokens(rates: EstimateRates, facts: RequestFacts, { lead }: Turns): number {
  const bytes = (facts.inputBytes ?? 0) - (facts.fixedBytes ?? 0) - lead;
  return bytes / rates.inputBytes + attachmentTokens(rates, facts);
}

function toolTokens(rates: EstimateRates, bytes = 0): number {
  return bytes > 0 ? rates.tools + bytes / rates.toolBytes : 0;
}

export function attachmentTokens(rates: EstimateRates, { model = "", attachments }: RequestFacts): number {
  let tokens = 0;
  if (attachments !== undefined) for (const attachment of attachments) tokens += rates.attachment(model, attachment);
  return tokens;
}
