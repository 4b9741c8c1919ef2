import type { Discount } from "../core/config-types.ts";
import { canonicalUsage, type Usage } from "../core/usage.ts";
import { modelKey } from "./model-id.ts";
import { charge, type RateBand, type RateCard, type Terms } from "./rates.ts";

/** One call to price. Prices belong to calls, never to sums: long-context rates depend on the input of each call. */
export interface PriceQuery {
  /** The vendor by its OpenTelemetry name: `openai`, `anthropic`, `gcp.gemini`, `aws.bedrock` … */
  readonly provider: string;
  /** The model that served the call, as the vendor wrote it. */
  readonly model: string;
  /** Service tier, speed and inference geography as in the response. */
  readonly tier?: string | undefined;
  readonly speed?: string | undefined;
  readonly geo?: string | undefined;
  /** When the call was made, in milliseconds since the epoch: prices are dated. */
  readonly at: number;
  readonly usage: Usage;
  /** The vendor's id in `@pydantic/genai-prices`, where it is known better than from `provider`. */
  readonly priceId?: string | undefined;
  /** `provider` comes from the wire format, not from a known host. */
  readonly guessedProvider?: boolean | undefined;
  /** The usage is a limit: the price is that of the dearest way in which its input may be charged. */
  readonly atMost?: boolean;
}

export interface Price {
  /** Integer nano-USD (1e-9 USD) for this call. Zero only where zero is known, such as a row of rate 0. */
  readonly nanoUsd: number;
  /** False when the price of a model of a similar name, or a substitute rate, was used. */
  readonly exact: boolean;
  /** A part of the call, such as web searches, has no known price and is not in `nanoUsd`. */
  readonly partial?: true;
  /** The tokens are paid by a commitment (provisioned, reserved), so that they cost nothing more: a known zero. */
  readonly commitment?: true;
}

/** Undefined when the price is not known. Unknown is never zero. Does not throw. */
export type PriceSource = (query: PriceQuery) => Price | undefined;

/** How one source charges a call: the same for every call of a model, on the same terms and at the same time. */
export interface Quote {
  readonly card: RateCard;
  readonly terms: Terms;
  /** Nano-USD per web search, where the card has no rate of its own. */
  readonly searchRate: number | undefined;
  /** The card is that of this very model. */
  readonly sameModel: boolean;
}

/** The time in which an answer of a source holds, in milliseconds since the epoch; `until` does not belong to it. */
export interface Validity {
  from: number;
  until: number;
}

/**
 * A price list. Undefined when it has no price for the model. The answer may depend on all of `query` but its usage;
 * whatever of it depends on the time narrows `validity`. Does not throw.
 */
export type QuoteSource = (query: PriceQuery, validity: Validity) => Quote | undefined;

export interface PriceBookOptions {
  /** In order of precedence; the first that has a price decides. */
  readonly sources: readonly QuoteSource[];
  /** The first that fits applies, whatever source the price comes from. */
  readonly discounts?: readonly Discount[];
}

/** Cached answers of the sources for calls like these, so that each is queried once. */
interface Entry extends Validity {
  readonly provider: string;
  readonly guessedProvider: boolean;
  readonly priceId: string | undefined;
  readonly tier: string | undefined;
  readonly speed: string | undefined;
  readonly geo: string | undefined;
  /** In the order of the sources; those after the first that prices every call are left out. */
  readonly quotes: readonly Quote[];
  /** Of the discount. */
  readonly factor: number;
}

/** Ids come from responses, so the cache is emptied when there are too many. */
const MAX_ENTRIES = 2_000;

/** One source of prices out of many price lists. */
export function createPriceBook({ sources, discounts = [] }: PriceBookOptions): PriceSource {
  const byModel = new Map<string, Entry[]>();
  let size = 0;

  function entryOf(query: PriceQuery): Entry {
    const { provider, model, tier, speed, geo, priceId, at } = query;
    const guessed = query.guessedProvider === true;
    let entries = byModel.get(model);
    if (entries !== undefined) {
      for (let index = 0; index < entries.length; index++) {
        const entry = entries[index] as Entry;
        if (entry.provider !== provider || entry.tier !== tier || entry.speed !== speed || entry.geo !== geo) continue;
        if (entry.guessedProvider !== guessed || entry.priceId !== priceId) continue;
        if (at >= entry.from && at < entry.until) return entry;
        const renewed = ask(query);
        entries[index] = renewed;
        return renewed;
      }
    }
    if (size >= MAX_ENTRIES) {
      byModel.clear();
      size = 0;
      entries = undefined;
    }
    const entry = ask(query);
    if (entries === undefined) byModel.set(model, [entry]);
    else entries.push(entry);
    size++;
    return entry;
  }

  function ask(query: PriceQuery): Entry {
    const validity: Validity = { from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY };
    const quotes: Quote[] = [];
    for (const source of sources) {
      const quote = source(query, validity);
      if (quote === undefined) continue;
      quotes.push(quote);
      if (!quote.terms.shortOnly && quote.card.every(isComplete)) break;
    }
    const { provider, priceId, tier, speed, geo } = query;
    const guessedProvider = query.guessedProvider === true;
    return {
      provider,
      guessedProvider,
      priceId,
      tier,
      speed,
      geo,
      quotes,
      factor: factorOf(discounts, query),
      ...validity,
    };
  }

  return (query) => {
    const usage = priceable(query.usage);
    if (usage === undefined) return undefined;
    const { quotes, factor } = entryOf(query);
    for (const { card, terms, searchRate, sameModel } of quotes) {
      const charged = charge(card, usage, terms, searchRate);
      if (charged === undefined) continue;
      const list = query.atMost ? mostOf(charged.nanoUsd, card, usage, terms) : charged.nanoUsd;
      const nanoUsd = factor === 1 ? list : Math.round(list * factor);
      if (!(nanoUsd >= 0)) return undefined;
      const price: { -readonly [K in keyof Price]: Price[K] } = { nanoUsd, exact: charged.exact && sameModel };
      if (charged.partial) price.partial = true;
      if (terms.commitment) price.commitment = true;
      return price;
    }
    return undefined;
  };
}

/** The dearer of `nano` and what the call costs when all of its input is written to a cache. */
function mostOf(nano: number, card: RateCard, usage: Usage, terms: Terms): number {
  const written = charge(card, { ...usage, cacheRead: 0, cacheWrite: usage.input, cacheWrite1h: 0 }, terms, undefined);
  return written !== undefined && written.nanoUsd > nano ? written.nanoUsd : nano;
}

function factorOf(discounts: readonly Discount[], query: PriceQuery): number {
  if (discounts.length === 0) return 1;
  const key = modelKey(query.model);
  for (const row of discounts) {
    if (row.provider !== undefined && row.provider !== query.provider) continue;
    if (row.model === undefined || modelKey(row.model) === key) return row.factor;
  }
  return 1;
}

/** Whether a band has a rate for every kind of token that it does not charge as another. */
function isComplete(rates: RateBand): boolean {
  if (!(rates.input >= 0 && rates.output >= 0 && rates.request >= 0 && rates.reasoning >= 0)) return false;
  return rates.cacheRead >= 0 && rates.cacheWrite >= 0 && rates.cacheWrite1h >= 0;
}

/** Parts beyond their whole are cut to fit; a count that is no count (NaN, negative) makes the price unknown. */
function priceable(u: Usage): Usage | undefined {
  if (!(u.input >= 0 && u.output >= 0 && u.cacheRead >= 0 && u.cacheWrite >= 0)) return undefined;
  if (!(u.cacheWrite1h >= 0 && u.reasoning >= 0 && u.webSearches >= 0)) return undefined;
  const fits = u.cacheRead + u.cacheWrite <= u.input && u.cacheWrite1h <= u.cacheWrite && u.reasoning <= u.output;
  const plain = !u.inputAudio && !u.outputAudio && !u.outputImage;
  return fits && plain ? u : canonicalUsage(u);
}

/** An answer that was found at `at` may be another one from `edge` on. A date that cannot be read is no edge. */
export function narrow(validity: Validity, edge: number, at: number): void {
  if (edge <= at) {
    if (edge > validity.from) validity.from = edge;
  } else if (edge < validity.until) validity.until = edge;
}
