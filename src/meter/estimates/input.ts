import type { RequestFacts } from "../wire/formats/format.ts";
import { type EstimateRates, toolTokens } from "../wire/rates.ts";
import { ANSWER, hashText, REASONED, STEP, type Turns, USER } from "../wire/text.ts";
import type { Conversation, Knowledge, ModelKnowledge } from "./knowledge.ts";
import { type Basis, RESULT_SLACK, SLACK_TOKENS, unseenTokens } from "./margin.ts";
import { bytesPerToken } from "./tokenizer.ts";

/** An estimate of a call's input tokens. */
export interface InputEstimate {
  readonly tokens: number;
  /** The part of `tokens` that a vendor reported for earlier calls. */
  readonly known: number;
  readonly basis: Basis;
  /** The conversation that the call continues. */
  readonly conversation: Conversation | undefined;
  /** Estimated tokens of the conversation alone. */
  readonly own: number;
  /** All else: equal for requests that differ in their conversation only. */
  readonly key: number;
}

/** The input of a request, by what earlier calls taught; undefined when its body could not be read. */
export function estimateInput(
  knowledge: Knowledge,
  model: ModelKnowledge,
  facts: RequestFacts,
): InputEstimate | undefined {
  const { turns, inputBytes } = facts;
  const { rates } = model;
  if (inputBytes === undefined) return undefined;
  if (turns === undefined) return first(rates.request + inputBytes / rates.inputBytes, 0, 0);
  const own = ownTokens(rates, facts, turns);
  const key = keyOf(facts, turns);
  const found =
    facts.continues === undefined
      ? continueTurns(knowledge, model, facts, turns, own, key)
      : continueById(knowledge, model, facts, turns, facts.continues, own, key);
  if (found !== undefined) return found;
  const overhead = model.overheads.get(key);
  if (overhead === undefined) {
    const fitted = fittedRates(knowledge, rates, facts);
    const counted = fitted === rates ? own : ownTokens(fitted, facts, turns);
    return first(counted + overheadTokens(fitted, facts, turns), own, key);
  }
  const tokens = Math.max(1, overhead.tokens + own);
  return { tokens, known: overhead.tokens, basis: "alike", conversation: undefined, own, key };
}

/** The rates of a model with the bytes per token of the request itself, where a tokenizer of that model is loaded. */
function fittedRates({ countTokens }: Knowledge, rates: EstimateRates, { sample }: RequestFacts): EstimateRates {
  if (countTokens === undefined || !rates.countable || sample === undefined) return rates;
  const inputBytes = bytesPerToken(countTokens, sample());
  return inputBytes === undefined ? rates : { ...rates, inputBytes };
}

function first(tokens: number, own: number, key: number): InputEstimate {
  return { tokens, known: 0, basis: "first", conversation: undefined, own, key };
}

/** The most that the input is held to be. */
export function inputLimit(
  { tokens, known, basis, conversation }: InputEstimate,
  { margins }: ModelKnowledge,
  { tools, attachments }: RequestFacts,
): number {
  let limit = known + Math.max(0, tokens - known) * margins[basis] + SLACK_TOKENS;
  if (tools !== undefined) {
    if (basis === "continued") limit += RESULT_SLACK;
    if (tools.served > 0) limit += margins.served;
  }
  if (attachments !== undefined && !conversation?.attachments) limit += unseenTokens(attachments);
  return limit;
}

/** The request begins with the messages of an earlier one, and mostly with the answer to it. */
function continueTurns(
  knowledge: Knowledge,
  model: ModelKnowledge,
  facts: RequestFacts,
  turns: Turns,
  own: number,
  key: number,
): InputEstimate | undefined {
  const { steps } = turns;
  for (let at = steps.length - STEP; at >= 0; at -= STEP) {
    const conversation = knowledge.conversations.get((steps[at] as number) ^ model.seed);
    if (conversation === undefined) continue;
    // To the end of the answer that follows on it.
    let answered = at;
    for (let whose = steps[at + STEP + 2]; whose === ANSWER || whose === REASONED; whose = steps[answered + STEP + 2]) {
      answered += STEP;
    }
    let known = conversation.input;
    const answerBytes = (steps[answered + 1] as number) - (steps[at + 1] as number);
    let added = turns.bytes - (steps[answered + 1] as number);
    if (answered > at) {
      known += conversation.output;
      if (model.rates.keepsReasoning) known += sentReasoning(conversation, steps, at, answered);
      // More than the model said, such as its reasoning as text.
      added += Math.max(0, answerBytes - conversation.outputBytes - SPELLING_BYTES);
    }
    return continued(conversation, model, facts, known, added, (steps.length - STEP - at) / STEP, own, key);
  }
  return undefined;
}

/** Bytes by which an answer may be longer when it is sent back, by the way in which its parts are written. */
const SPELLING_BYTES = 60;

/** Reasoning that is sent back is input only until the user speaks again. */
function sentReasoning({ reasoning }: Conversation, steps: readonly number[], from: number, answered: number): number {
  if (reasoning === 0) return 0;
  for (let step = answered + STEP; step < steps.length; step += STEP) if (steps[step + 2] === USER) return 0;
  for (let step = from + STEP; step <= answered; step += STEP) if (steps[step + 2] === REASONED) return reasoning;
  return 0;
}

/** The vendor keeps what came before. The system prompt is not part of that: each request has its own. */
function continueById(
  knowledge: Knowledge,
  model: ModelKnowledge,
  facts: RequestFacts,
  turns: Turns,
  id: string,
  own: number,
  key: number,
): InputEstimate | undefined {
  const conversation = knowledge.conversations.get(hashText(id));
  if (conversation === undefined) return undefined;
  const added = turns.bytes + (facts.fixedBytes ?? 0) - conversation.fixedBytes;
  const known = conversation.input + conversation.output;
  const found = continued(conversation, model, facts, known, added, turns.count + 1, own, key);
  // What is sent comes on top of the attachments that are kept.
  return { ...found, tokens: found.tokens + conversation.attachments };
}

function continued(
  conversation: Conversation,
  { rates }: ModelKnowledge,
  facts: RequestFacts,
  known: number,
  addedBytes: number,
  addedMessages: number,
  own: number,
  key: number,
): InputEstimate {
  let tokens = known + addedBytes / rates.inputBytes + addedMessages * rates.message;
  tokens -= conversation.tools + conversation.attachments;
  if (facts.tools !== undefined) tokens += toolTokens(rates, facts.tools);
  if (facts.attachments !== undefined) tokens += attachmentTokens(rates, facts);
  return { tokens: Math.max(1, tokens), known, basis: "continued", conversation, own, key };
}

function keyOf({ fixedBytes = 0, toolBytes = 0 }: RequestFacts, { leadBytes }: Turns): number {
  return Math.imul(Math.imul(fixedBytes, 0x9e3779b1) ^ leadBytes, 0x85ebca6b) ^ toolBytes;
}

/** What {@link keyOf} stands for, by our rules alone. */
function overheadTokens(
  rates: EstimateRates,
  { fixedBytes = 0, tools }: RequestFacts,
  { leadBytes, leadCount }: Turns,
): number {
  const text = (fixedBytes + leadBytes) / rates.inputBytes;
  const messages = leadCount + (fixedBytes > 0 ? 1 : 0);
  return rates.request + messages * rates.message + text + toolTokens(rates, tools);
}

/** Estimated tokens of the conversation itself, without what {@link keyOf} stands for. */
function ownTokens(rates: EstimateRates, facts: RequestFacts, turns: Turns): number {
  const text = (turns.bytes - turns.leadBytes) / rates.inputBytes;
  const tokens = text + (turns.count - turns.leadCount) * rates.message;
  return facts.attachments === undefined ? tokens : tokens + attachmentTokens(rates, facts);
}

export function attachmentTokens(rates: EstimateRates, { model = "", attachments }: RequestFacts): number {
  let tokens = 0;
  if (attachments !== undefined) for (const attachment of attachments) tokens += rates.attachment(model, attachment);
  return tokens;
}
