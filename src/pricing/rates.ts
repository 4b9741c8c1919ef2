import type { Usage } from "../core/usage.ts";

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
  readonly webSearch: number | undefined;
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
  /** A part has no known price and is not in `nanoUsd`. */
  readonly partial: boolean;
}

/**
 * A band from a price list. Where a list is silent, vendors charge the wider kind: cache reads and writes as input,
 * one-hour writes as writes, reasoning as output. Neither input nor output has a stand-in.
 */
export function rateBand(usd: UsdRates, over = 0): RateBand {
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
    webSearch: nanoPerThousandth(usd.perThousandWebSearches),
    request: nanoPerThousandth(usd.perThousandRequests) ?? 0,
  };
}

/**
 * Charges one call. `usage` must be canonical: parts within their whole. `searchRate` is nano-USD for a web search
 * where the card has no rate of its own. Undefined when the price is not known.
 */
export function charge(card: RateCard, usage: Usage, terms: Terms, searchRate: number | undefined): Charge | undefined {
  let at = card.length - 1;
  while (at > 0 && usage.input <= card[at]!.over) at--;
  if (at > 0 && terms.shortOnly) return undefined;
  const rates = card[at]!;

  let nano = terms.commitment ? 0 : tokenNano(rates, usage) * terms.factor;
  let exact = terms.exact;
  if (usage.inputAudio && rates.inputAudio === undefined) exact = false;
  if (usage.outputAudio && rates.outputAudio === undefined) exact = false;
  if (usage.outputImage && rates.outputImage === undefined) exact = false;

  nano += rates.request;
  const search = rates.webSearch ?? searchRate;
  const partial = usage.webSearches > 0 && search === undefined;
  if (search !== undefined) nano += usage.webSearches * search;
  // Not `nano < 0`: NaN, the unknown rate, must fail too.
  return nano >= 0 && nano < Number.MAX_SAFE_INTEGER ? { nanoUsd: Math.round(nano), exact, partial } : undefined;
}

/** The kinds without overlap, each at its rate. Audio and images are charged apart only where they have a rate. */
function tokenNano(rates: RateBand, usage: Usage): number {
  let input = usage.input - usage.cacheRead - usage.cacheWrite;
  let cacheRead = usage.cacheRead;
  let output = usage.output - usage.reasoning;
  let nano = 0;
  if (usage.inputAudio && rates.inputAudio !== undefined) {
    // Vendors seldom report how much of the audio was cached; what does not fit beside the cached text must have been.
    const audio = Math.min(usage.inputAudio, usage.input - usage.cacheWrite);
    const cached = Math.min(Math.max(usage.cacheReadAudio ?? 0, audio - input), cacheRead, audio);
    input -= audio - cached;
    cacheRead -= cached;
    nano += (audio - cached) * rates.inputAudio + cached * (rates.cacheReadAudio ?? rates.cacheRead);
  }
  if (usage.outputAudio && rates.outputAudio !== undefined) {
    const audio = Math.min(usage.outputAudio, output);
    output -= audio;
    nano += audio * rates.outputAudio;
  }
  if (usage.outputImage && rates.outputImage !== undefined) {
    const image = Math.min(usage.outputImage, output);
    output -= image;
    nano += image * rates.outputImage;
  }
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
