import type { PriceQuery, Quote, QuoteSource } from "./price.ts";
import type { RateBand } from "./rates.ts";

/** The price list that decides what a call costs, as the price book finds it; undefined when none has the model. */
export function explain(sources: readonly QuoteSource[], query: PriceQuery): Quote | undefined {
  const validity = { from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY };
  for (const source of sources) {
    const quote = source(query, validity);
    if (quote !== undefined) return quote;
  }
  return undefined;
}

/** One rate of a band, in USD per million tokens. */
export interface ShownRate {
  readonly kind: string;
  readonly usd: number;
  /** How the rate was found where the list has none. */
  readonly by?: string;
}

/** The kinds of tokens by their names in the output, and the rates of a price row that they are. */
const KINDS = [
  ["input", "input"],
  ["output", "output"],
  ["cache read", "cacheRead"],
  ["cache write", "cacheWrite"],
  ["cache write, 1 hour", "cacheWrite1h"],
  ["reasoning", "reasoning"],
  ["audio input", "inputAudio"],
  ["audio input from a cache", "cacheReadAudio"],
  ["audio output", "outputAudio"],
  ["image input", "inputImage"],
  ["image output", "outputImage"],
] as const satisfies readonly (readonly [string, keyof RateBand])[];

/** The rates of one band with the factor of the call's terms; those without a price are left out. */
export function ratesOf(band: RateBand, { terms, origin }: Quote): readonly ShownRate[] {
  return KINDS.flatMap(([kind, key]) => {
    const nano = band[key];
    if (nano === undefined || Number.isNaN(nano) || repeats(band, key, origin)) return [];
    const usd = terms.commitment ? 0 : Math.round(nano * terms.factor * 1e6) / 1e9;
    const by = origin.rules.get(key) ?? standIn(band, key);
    return [{ kind, usd, ...(by === undefined ? {} : { by }) }];
  });
}

/** A kind that is charged as a wider one, by every vendor. */
function repeats(band: RateBand, key: keyof RateBand, { rules }: Quote["origin"]): boolean {
  if (key === "reasoning") return band.reasoning === band.output;
  return key === "cacheWrite1h" && band.cacheWrite1h === band.cacheWrite && !rules.has(key);
}

function standIn(band: RateBand, key: string): string | undefined {
  if (key === "cacheRead" && band.guessesRead) return "the row has none: input's, and the price is inexact";
  if (key === "cacheWrite" && band.guessesWrite) return "the row has none: input's, and the price is inexact";
  return undefined;
}

/** What a call may have that would make it `partial`, by the names that settled calls use. */
const LACKABLE = [
  ["input_audio", "inputAudio"],
  ["output_audio", "outputAudio"],
  ["output_image", "outputImage"],
] as const;
/** The tools that vendors run and charge for. */
const TOOLS: Readonly<Record<string, readonly string[]>> = {
  anthropic: ["web_search", "code_execution"],
  "azure.ai.inference": ["web_search", "code_execution"],
  "azure.ai.openai": ["web_search", "file_search", "code_container"],
  "gcp.gemini": ["web_search", "maps_grounding", "data_grounding"],
  "gcp.vertex_ai": ["web_search", "maps_grounding", "data_grounding"],
  groq: ["browser_search", "python"],
  mistral_ai: ["audio_seconds"],
  openai: ["web_search", "file_search", "code_container"],
  x_ai: ["web_search", "x_search", "code_interpreter", "file_search", "attachment_search"],
};

/** The parts that have no price at a vendor: a call that has one is `partial`. */
export function lacksOf({ card, fees }: Quote, provider: string): readonly string[] {
  const [band] = card;
  const tokens = LACKABLE.filter(([, key]) => band[key] === undefined).map(([part]) => part);
  const tools = TOOLS[provider] ?? ["web_search"];
  const unpriced = tools.filter((part) => !fees.has(part) && (part !== "web_search" || band.webSearch === undefined));
  return [...tokens, ...unpriced];
}
