import { evictOldest, setBounded } from "../../core/bounded-map.ts";
import type { Usage } from "../../core/usage.ts";
import type { Reading, RequestFacts } from "../wire/formats/format.ts";
import { type RatesOf, toolTokens } from "../wire/rates.ts";
import { hashText, STEP, type Turns } from "../wire/text.ts";
import { attachmentTokens, estimateInput, type InputEstimate } from "./input.ts";
import {
  type Conversation,
  type EffortKey,
  type Knowledge,
  knownModel,
  MAX_CONVERSATIONS,
  type ModelKnowledge,
  UNNAMED,
} from "./knowledge.ts";
import { SLACK_TOKENS } from "./margin.ts";

/**
 * Learns from a call whose usage the vendor reported. `format`: the rates of its format. `now`: milliseconds since the
 * epoch. Returns the tokens of `SettledCall.uncached`.
 */
export function learn(
  knowledge: Knowledge,
  format: RatesOf,
  facts: RequestFacts,
  reading: Reading,
  usage: Usage,
  now: number,
): number | undefined {
  const { model: name = UNNAMED } = facts;
  const model = knowledge.models.get(name) ?? knownModel(knowledge, format, name);
  const estimate = facts.retrieval === true ? undefined : estimateInput(knowledge, model, facts);
  if (!isCredible(facts, estimate, usage)) return undefined;
  learnOutput(model, reading, usage);
  learnReasoning(model, facts, reading, usage);
  const { turns } = facts;
  if (turns === undefined || estimate === undefined) return undefined;
  learnMargin(model, estimate, facts, usage.input);
  if (facts.continues === undefined) learnOverhead(model, estimate, usage.input);
  const { conversation, known } = estimate;
  const seconds = Math.floor(now / 1_000);
  remember(knowledge, model, facts, turns, conversation, reading, seconds, usage);
  // Without its answer in between it may be another request of the same lengths.
  if (conversation === undefined || known <= conversation.input) return undefined;
  const { input, cacheRead, cacheWrite } = usage;
  const cached = cacheRead + cacheWrite;
  const uncached = Math.min(conversation.input, input) - cached;
  return uncached >= LEAST_CACHED && seconds - conversation.at <= CACHED_SECONDS ? uncached : undefined;
}

/** The shortest input that vendors' caches hold, in tokens, and the seconds for which those with the shortest time do. */
const LEAST_CACHED = 1_024;
const CACHED_SECONDS = 270;

/** More than any model puts out in one call. */
const MOST_OUTPUT = 2_000_000;
/** Input tokens that a host may add to a request unseen, and that files, searches, caches and kept responses may. */
const MOST_ADDED = 200_000;
const MOST_FETCHED = 2_000_000;
/** An estimate from text alone is never further off than by this factor. */
const MOST_FACTOR = 4;
/** The longest tokens of text, in bytes, and the text from which it shows that a report left most of it out. */
const LONGEST_TOKEN = 64;
const MIN_TEXT = 4_000;

/** Whether a call can have used what was reported: one absurd report would spoil estimates and holds of many calls. */
function isCredible(
  { tools, attachments, continues, inputBytes = 0 }: RequestFacts,
  estimate: InputEstimate | undefined,
  { input, output, cacheRead }: Usage,
): boolean {
  if (output > MOST_OUTPUT) return false;
  if (estimate === undefined) return true;
  const keeps = cacheRead > 0 || continues !== undefined;
  const fetches = keeps || attachments !== undefined || (tools !== undefined && tools.served > 0);
  if (input > estimate.tokens * MOST_FACTOR + (fetches ? MOST_FETCHED : MOST_ADDED)) return false;
  return inputBytes < MIN_TEXT || input * LONGEST_TOKEN >= inputBytes;
}

function learnMargin(
  { margins }: ModelKnowledge,
  { tokens, known, basis }: InputEstimate,
  { tools }: RequestFacts,
  input: number,
): void {
  // What a tool of the vendor found is no fault of the estimate.
  if (tools !== undefined && tools.served > 0) {
    margins.served = nextServed(margins.served, input - tokens);
    return;
  }
  const ratio = (input - known - SLACK_TOKENS) / Math.max(MIN_PART, tokens - known);
  // Short parts do not show what longer ones need.
  if (tokens - known < MIN_PART && ratio <= margins[basis]) return;
  margins[basis] = nextMargin(margins[basis], ratio);
}

const LEAST_MARGIN = 1.05;
/** A token is at least a byte of text. */
const MOST_MARGIN = 4.5;
/** Tokens of which an estimated part must be to say something of longer ones. */
const MIN_PART = 200;

/** The next margin, after a call that called for `needed`: the largest so far, which slowly fades to what is needed. */
function nextMargin(margin: number, needed: number): number {
  return needed > margin ? Math.min(MOST_MARGIN, needed) : Math.max(LEAST_MARGIN, margin + (needed - margin) / 100);
}

/** The same of what a vendor's tools add. It fades sooner, since it begins far too high for most. */
function nextServed(served: number, added: number): number {
  return added > served ? added : Math.max(0, served + (added - served) / 20);
}

const MAX_OVERHEADS = 100;
/** Bytes of a conversation so short that it adds nothing to the error of what is beside it. */
const SHORT = 100;
/** With this weight an overhead follows a tenth of each further short call. */
const MAX_WEIGHT = 10 / SHORT;

/** The mean of what was reported beside the conversation: the shorter that was, the more a call counts. */
function learnOverhead({ overheads, rates }: ModelKnowledge, { own, key }: InputEstimate, input: number): void {
  const weight = 1 / (SHORT + own * rates.inputBytes);
  const known = overheads.get(key);
  if (known === undefined) {
    setBounded(overheads, key, { tokens: input - own, weight }, MAX_OVERHEADS);
    return;
  }
  known.tokens += ((input - own - known.tokens) * weight) / (known.weight + weight);
  known.weight = Math.min(MAX_WEIGHT, known.weight + weight);
}

/** Shorter outputs say little of bytes per token. */
const MIN_OUTPUT = 40;
/** Tokens after which older outputs count half. */
const MANY_OUTPUT = 20_000;
/** Bytes per token that text can have; beyond them the report counts something that was not sent. */
const MIN_RATE = 1.5;
const MAX_RATE = 8;

function learnOutput(model: ModelKnowledge, reading: Reading, { output, reasoning }: Usage): void {
  const { reportedBytes: bytes, reportedCalls, reportedThought } = reading;
  const tokens = output - reasoning;
  if (bytes < MIN_OUTPUT || reportedCalls > 0 || (reportedThought > 0 && reasoning === 0)) return;
  const rate = bytes / tokens;
  if (!(rate >= MIN_RATE && rate <= MAX_RATE)) return;
  if (model.outputTokens > MANY_OUTPUT) {
    model.outputBytes /= 2;
    model.outputTokens /= 2;
  }
  model.outputBytes += bytes;
  model.outputTokens += tokens;
}

function learnReasoning(
  model: ModelKnowledge,
  facts: RequestFacts,
  { reportedThought }: Reading,
  { reasoning }: Usage,
): void {
  if (reportedThought > 0) {
    if (reasoning === 0) return;
    model.thoughtBytes += reportedThought;
    model.thoughtTokens += reasoning;
    return;
  }
  const { hiddenReasoning } = model;
  const effort: EffortKey = facts.effort ?? "unsaid";
  const before = hiddenReasoning.get(effort);
  if (before !== undefined) hiddenReasoning.set(effort, before + (reasoning - before) / 8);
  else if (reasoning > 0) hiddenReasoning.set(effort, reasoning);
}

/** Puts a call in the place of the one that it continued. */
function remember(
  { conversations }: Knowledge,
  { seed, rates }: ModelKnowledge,
  facts: RequestFacts,
  { steps, count }: Turns,
  before: Conversation | undefined,
  { responseId, reportedBytes, reportedThought }: Reading,
  at: number,
  { input, output, reasoning, cacheRead, cacheWrite }: Usage,
): void {
  const last = steps.at(-STEP);
  // Who sends what was said before does not continue by the id of a response.
  const sendsAll = count > 1 && facts.continues === undefined;
  const id = facts.keptAs !== "response" ? facts.keptAs : sendsAll ? undefined : responseId;
  // What the vendor keeps is not among the messages: without its id the call cannot be continued.
  const key = last === undefined || facts.continues !== undefined ? 0 : last ^ seed;
  const idKey = id === undefined ? 0 : hashText(id);
  if (before !== undefined) {
    conversations.delete(before.key);
    // Any number of calls may continue one response, at any time.
    if (facts.continues === undefined) conversations.delete(before.idKey);
  }
  if (key === 0 && idKey === 0) return;
  const conversation: Conversation = {
    key,
    idKey,
    input,
    output: output - reasoning,
    reasoning,
    outputBytes: reasoning > 0 ? reportedBytes : reportedBytes + reportedThought,
    cached: cacheRead + cacheWrite,
    at,
    attachments: facts.attachments === undefined ? 0 : Math.round(attachmentTokens(rates, facts)),
    fixedBytes: facts.fixedBytes ?? 0,
    tools: facts.tools === undefined ? 0 : toolTokens(rates, facts.tools),
  };
  if (conversations.size >= MAX_CONVERSATIONS) evictOldest(conversations, MAX_CONVERSATIONS);
  if (key !== 0) conversations.set(key, conversation);
  if (idKey !== 0) conversations.set(idKey, conversation);
}
