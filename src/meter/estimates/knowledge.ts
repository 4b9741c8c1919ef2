import { setBounded } from "../../core/bounded-map.ts";
import type { Effort } from "../wire/content/effort.ts";
import type { EstimateRates, RatesOf } from "../wire/rates.ts";
import { mix } from "../wire/text.ts";
import { FIRST_MARGINS, type Margins } from "./margin.ts";
import type { CountTokens } from "./tokenizer.ts";

/** What reported calls teach about later ones. Bounded, and without any text of a request or a response. */
export interface Knowledge {
  /** Conversations that may go on, by {@link Conversation.key} and {@link Conversation.idKey}; the least recent first. */
  readonly conversations: Map<number, Conversation>;
  /** By the name that requests use. */
  readonly models: Map<string, ModelKnowledge>;
  /** What earlier processes learned of models that this one has not met. */
  readonly kept: ReadonlyMap<string, KeptModel>;
  /** The tokenizer, once it is loaded. */
  countTokens: CountTokens | undefined;
  /** Models that were ever known. */
  modelCount: number;
}

/** The last reported call of a conversation. Its figures are whole numbers. */
export interface Conversation {
  readonly key: number;
  /** Of its id at the vendor, by which a request may continue it without sending it; 0 for none. */
  readonly idKey: number;
  /** Reported input tokens. */
  readonly input: number;
  /** Reported output tokens without reasoning, and those of the reasoning. */
  readonly output: number;
  readonly reasoning: number;
  /** Bytes of text for which `output` was reported. */
  readonly outputBytes: number;
  /** Part of `input` that is in the vendor's cache since `at`, in seconds since the epoch. */
  readonly cached: number;
  readonly at: number;
  /** Tokens of `input` that our rules give for its attachments. */
  readonly attachments: number;
  /** Bytes of the system prompt, and tokens that our rules give for the tools. */
  readonly fixedBytes: number;
  readonly tools: number;
}

/** The effort of a request; `unsaid` is the model's own. */
export type EffortKey = Effort | "unsaid";

export interface ModelKnowledge {
  /** Makes the keys of its conversations differ from those of other models: 32 bits. */
  readonly seed: number;
  /** What text costs before anything is learned. */
  readonly rates: EstimateRates;
  /** By system prompt and tools, see `InputEstimate.key`. */
  readonly overheads: Map<number, Overhead>;
  /** Bytes of visible output, and the tokens that were reported for them. */
  outputBytes: number;
  outputTokens: number;
  /** The same of reasoning that could be read, often a summary only. */
  thoughtBytes: number;
  thoughtTokens: number;
  /** Mean tokens of reasoning that could not be read, by the effort asked for; empty for a model that reported none so far. */
  readonly hiddenReasoning: Map<EffortKey, number>;
  readonly margins: Margins;
}

/** Input tokens of a request beside the text of its conversation: system prompt, tools, and what the vendor adds. */
export interface Overhead {
  tokens: number;
  /** The sum of the weights of the calls that it is the mean of. */
  weight: number;
}

/**
 * What is kept of a model from one process to the next: numbers, and the model's name. Conversations are not: another
 * process rarely goes on with them.
 */
export interface KeptModel {
  readonly outputBytes: number;
  readonly outputTokens: number;
  readonly thoughtBytes: number;
  readonly thoughtTokens: number;
  readonly hiddenReasoning: readonly (readonly [EffortKey, number])[];
  readonly margins: Margins;
  /** Key, tokens and weight of each. */
  readonly overheads: readonly (readonly [key: number, tokens: number, weight: number])[];
}

/** A conversation takes some 180 bytes. */
export const MAX_CONVERSATIONS = 10_000;
const MAX_MODELS = 500;

export function createKnowledge(kept: ReadonlyMap<string, KeptModel> = new Map()): Knowledge {
  return { conversations: new Map(), models: new Map(), kept, countTokens: undefined, modelCount: 0 };
}

const NOTHING_KEPT: KeptModel = {
  outputBytes: 0,
  outputTokens: 0,
  thoughtBytes: 0,
  thoughtTokens: 0,
  hiddenReasoning: [],
  margins: FIRST_MARGINS,
  overheads: [],
};

/** Of a request that names no model. */
export const UNNAMED = "unknown";

/** What is known of a model; a new entry for one that is new. `format`: the rates of the format of its calls. */
export function knownModel(knowledge: Knowledge, format: RatesOf, name: string = UNNAMED): ModelKnowledge {
  const { models } = knowledge;
  const known = models.get(name);
  if (known !== undefined) return known;
  knowledge.modelCount += 1;
  const { overheads, margins, hiddenReasoning, ...sums } = knowledge.kept.get(name) ?? NOTHING_KEPT;
  const made: ModelKnowledge = {
    seed: mix(1, knowledge.modelCount),
    rates: format(name),
    overheads: new Map(overheads.map(([key, tokens, weight]) => [key, { tokens, weight }])),
    margins: { ...margins },
    hiddenReasoning: new Map(hiddenReasoning),
    ...sums,
  };
  setBounded(models, name, made, MAX_MODELS);
  return made;
}
