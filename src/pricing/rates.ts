import type { Usage } from "../core/usage.ts";
import { type FeeTable, REQUEST } from "./fees.ts";

/** A price list's own numbers: USD per million tokens, searches and requests per thousand. */
export interface UsdRates {
  readonly input?: number;
  readonly output?: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
  readonly cacheWrite1h?: number;
  readonly reasoning?: number;
  readonly inputAudio?: number;
  readonly cacheReadAudio?: number;
  readonly outputAudio?: number;
  readonly outputImage?: number;
  readonly inputImage?: number;
  readonly perThousandWebSearches?: number;
  readonly perThousandRequests?: number;
}

/**
 * The rates of calls with more than `over` input tokens, in nano-USD per token, search and request. A band holds for
 * all tokens of the call. `NaN` is an unknown rate: one token of that kind makes the whole price unknown.
 */
export interface RateBand {
  readonly over: number;
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly cacheWrite1h: number;
  readonly reasoning: number;
  readonly inputAudio: number | undefined;
  readonly cacheReadAudio: number | undefined;
  readonly outputAudio: number | undefined;
  readonly outputImage: number | undefined;
  readonly inputImage: number | undefined;
  /** The list has no rate for this kind, and no vendor's rule: input's stands in, and the price is not exact. */
  readonly guessesRead: boolean;
  readonly guessesWrite: boolean;
  readonly webSearch: number | undefined;
  /** The rate of web searches is the user's own, and holds for every search tool. */
  readonly ownSearch: boolean;
  readonly request: number;
}

/** The bands of one model, by rising `over`; the first is over 0 and holds from the first token. */
export type RateCard = readonly [RateBand, ...RateBand[]];

/** How a call is charged, apart from its model: by tier, speed and geography. */
export interface Terms {
  /** On every kind of token; searches and request fees are not touched. */
  readonly factor: number;
  /** False when the vendor does not publish the factor for all kinds of tokens. */
  readonly exact: boolean;
  /** Tokens are paid by a commitment: this call adds nothing to the bill. */
  readonly commitment: boolean;
  /** The terms exist only in the model's first band. */
  readonly shortOnly: boolean;
}

export const STANDARD_TERMS: Terms = { factor: 1, exact: true, commitment: false, shortOnly: false };

/** What a call costs. */
export interface Charge {
  /** Integer nano-USD. */
  readonly nanoUsd: number;
  /** False when some tokens were charged at a substitute rate. */
  readonly exact: boolean;
  /** The parts that have no known price and are not in `nanoUsd`, or whose price depends on the account. */
  readonly unpriced: readonly string[] | undefined;
}

/**
 * A band from a price list. Where a list is silent, reasoning is charged as output, and one-hour writes as writes, which
 * vendors document; cached tokens are charged as input. Audio and images have no stand-in, and neither have input and
 * output. `isOwn`: the list is the user's own, whose stand-ins are documented, and so exact.
 */
export function rateBand(usd: UsdRates, over = 0, isOwn = false): RateBand {
  const input = nanoPerToken(usd.input) ?? Number.NaN;
  const output = nanoPerToken(usd.output) ?? Number.NaN;
  const cacheWrite = nanoPerToken(usd.cacheWrite) ?? input;
  return {
    over,
    input,
    output,
    cacheRead: nanoPerToken(usd.cacheRead) ?? input,
    cacheWrite,
    cacheWrite1h: nanoPerToken(usd.cacheWrite1h) ?? cacheWrite,
    reasoning: nanoPerToken(usd.reasoning) ?? output,
    inputAudio: nanoPerToken(usd.inputAudio),
    cacheReadAudio: nanoPerToken(usd.cacheReadAudio),
    outputAudio: nanoPerToken(usd.outputAudio),
    outputImage: nanoPerToken(usd.outputImage),
    inputImage: nanoPerToken(usd.inputImage),
    guessesRead: !isOwn && usd.cacheRead === undefined && input !== 0,
    guessesWrite: !isOwn && usd.cacheWrite === undefined && input !== 0,
    webSearch: nanoPerThousandth(usd.perThousandWebSearches),
    ownSearch: isOwn && usd.perThousandWebSearches !== undefined,
    request: nanoPerThousandth(usd.perThousandRequests) ?? 0,
  };
}

/**
 * Charges one call. `usage` must be canonical: parts within their whole. `fees` are its vendor's; the card's own rate of
 * web searches wins over theirs. Undefined when the price is not known.
 */
export function charge(card: RateCard, usage: Usage, terms: Terms, fees: FeeTable): Charge | undefined {
  let at = card.length - 1;
  while (at > 0 && usage.input <= card[at]!.over) at--;
  if (at > 0 && terms.shortOnly) return undefined;
  const rates = card[at]!;

  const sum: Sum = { nano: 0, unpriced: undefined };
  if (!terms.commitment) {
    if (usage.inputAudio || usage.outputAudio || usage.outputImage || usage.inputImage) addTokens(sum, rates, usage);
    else {
      const input = usage.input - usage.cacheRead - usage.cacheWrite;
      sum.nano = textNano(rates, usage, input, usage.cacheRead, usage.output - usage.reasoning);
    }
    sum.nano *= terms.factor;
  }
  let exact = terms.exact;
  if (rates.guessesRead && usage.cacheRead !== 0) exact = false;
  if (rates.guessesWrite && usage.cacheWrite !== 0) exact = false;

  sum.nano += rates.request;
  if (usage.webSearches > 0) addSearches(sum, rates, usage, fees);
  if (usage.units !== undefined) for (const part in usage.units) addFee(sum, part, usage.units[part]!, fees);
  if (fees.size > 0 && fees.has(REQUEST)) addFee(sum, REQUEST, 1, fees);
  const { nano, unpriced } = sum;
  // Not `nano < 0`: NaN, the unknown rate, must fail too.
  return nano >= 0 && nano < Number.MAX_SAFE_INTEGER ? { nanoUsd: Math.round(nano), exact, unpriced } : undefined;
}

/** A cost that is being added up. */
interface Sum {
  nano: number;
  unpriced: string[] | undefined;
}

function leaveOut(sum: Sum, part: string): void {
  sum.unpriced ??= [];
  sum.unpriced.push(part);
}

function addFee(sum: Sum, part: string, count: number, fees: FeeTable): void {
  const fee = fees.get(part);
  if (fee !== undefined) sum.nano += fee.once ? fee.nano : count * fee.nano;
  const name = fee === undefined ? part : fee.unless;
  if (name !== undefined) leaveOut(sum, name);
}

/** A tool with a price of its own has that or none; others the card's rate, else the vendor's fee. */
function addSearches(sum: Sum, rates: RateBand, { webSearches, searchTool }: Usage, fees: FeeTable): void {
  if (searchTool !== undefined && !rates.ownSearch) addFee(sum, searchTool, webSearches, fees);
  else if (rates.webSearch !== undefined) sum.nano += webSearches * rates.webSearch;
  else addFee(sum, WEB_SEARCH, webSearches, fees);
}

/** The part's name, in fees and where it has no price. */
const WEB_SEARCH = "web_search";

/** The kinds without overlap, each at its rate. Audio and images are taken out first: text rates are not theirs. */
function addTokens(sum: Sum, rates: RateBand, usage: Usage): void {
  let input = usage.input - usage.cacheRead - usage.cacheWrite;
  let cacheRead = usage.cacheRead;
  let output = usage.output - usage.reasoning;
  if (usage.inputAudio) {
    // Vendors seldom report how much of the audio was cached; what does not fit beside the cached text must have been.
    const audio = Math.min(usage.inputAudio, usage.input - usage.cacheWrite);
    const cached = Math.min(Math.max(usage.cacheReadAudio ?? 0, audio - input), cacheRead, audio);
    input -= audio - cached;
    cacheRead -= cached;
    addKind(sum, "input_audio", audio - cached, rates.inputAudio);
    addKind(sum, "cache_read_audio", cached, rates.cacheReadAudio);
  }
  if (usage.inputImage && rates.inputImage !== undefined) {
    // Only where images have a rate: elsewhere vendors charge them as text.
    const image = Math.min(usage.inputImage, input);
    input -= image;
    addKind(sum, "input_image", image, rates.inputImage);
  }
  if (usage.outputAudio) {
    const audio = Math.min(usage.outputAudio, output);
    output -= audio;
    addKind(sum, "output_audio", audio, rates.outputAudio);
  }
  if (usage.outputImage) {
    const image = Math.min(usage.outputImage, output);
    output -= image;
    addKind(sum, "output_image", image, rates.outputImage);
  }
  sum.nano += textNano(rates, usage, input, cacheRead, output);
}

function addKind(sum: Sum, part: string, tokens: number, rate: number | undefined): void {
  if (tokens <= 0) return;
  if (rate === undefined) leaveOut(sum, part);
  else sum.nano += tokens * rate;
}

/** `input`, `cacheRead` and `output` without their audio and images; the rest of the tokens as in `usage`. */
function textNano(rates: RateBand, usage: Usage, input: number, cacheRead: number, output: number): number {
  let nano = 0;
  // Zero tokens at an unknown rate cost nothing.
  if (input !== 0) nano += input * rates.input;
  if (cacheRead !== 0) nano += cacheRead * rates.cacheRead;
  if (output !== 0) nano += output * rates.output;
  if (usage.cacheWrite !== usage.cacheWrite1h) nano += (usage.cacheWrite - usage.cacheWrite1h) * rates.cacheWrite;
  if (usage.cacheWrite1h !== 0) nano += usage.cacheWrite1h * rates.cacheWrite1h;
  if (usage.reasoning !== 0) nano += usage.reasoning * rates.reasoning;
  return nano;
}

/** 1 USD per million tokens is 1,000 nano-USD per token. Rounded at 1e-9, where floats of USD go wrong. */
function nanoPerToken(usdPerMillion: number | undefined): number | undefined {
  return usdPerMillion === undefined ? undefined : Math.round(usdPerMillion * 1e12) / 1e9;
}

function nanoPerThousandth(usdPerThousand: number | undefined): number | undefined {
  return usdPerThousand === undefined ? undefined : Math.round(usdPerThousand * 1e6);
}
