import type { Discount } from "../core/config-types.ts";
import { canonicalUsage, type Usage } from "../core/usage.ts";
import type { FeeTable } from "./fees.ts";
import { modelKey } from "./model-id.ts";
import { charge, type RateBand, type RateCard, type Terms } from "./rates.ts";
import type { Validity } from "./validity.ts";

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
  /** The host is a server of the user's own: only the user's own prices are for it. */
  readonly local?: boolean | undefined;
  /** The usage is a limit: the price is that of the dearest way in which its input may be charged. */
  readonly atMost?: boolean;
}

export interface Price {
  /** Integer nano-USD (1e-9 USD) for this call. Zero only where zero is known, such as a row of rate 0. */
  readonly nanoUsd: number;
  /** False when the price of a model of a similar name, or a substitute rate, was used. */
  readonly exact: boolean;
  /**
   * The parts of the call, such as `file_search`, that have no known price and are not in `nanoUsd`; or, named as in
   * `web_search_allowance`, whose price is in it and may be less for this account. Absent when there is none.
   */
  readonly unpriced?: readonly string[];
  /** The tokens are paid by a commitment (provisioned, reserved), so that they cost nothing more: a known zero. */
  readonly commitment?: true;
}

/** Undefined when the price is not known. Unknown is never zero. Does not throw. */
export type PriceSource = (query: PriceQuery) => Price | undefined;

/** How one source charges a call: the same for every call of a model, on the same terms and at the same time. */
export interface Quote {
  readonly card: RateCard;
  readonly terms: Terms;
  /** The vendor's fees for what is no token. */
  readonly fees: FeeTable;
  /** The card is that of this very model. */
  readonly sameModel: boolean;
  /** Where the card comes from, to show it. */
  readonly origin: Origin;
}

/** Where a price comes from. */
export interface Origin {
  /** The model of the row, as the price list writes it. */
  readonly model: string;
  readonly source: string;
  /** ISO dates of the row; absent is open. */
  readonly from?: string | undefined;
  readonly until?: string | undefined;
  /** The rates that the row lacks and its vendor's rule fills, with the rule. */
  readonly rules: ReadonlyMap<string, string>;
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
  readonly local: boolean;
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
    const local = query.local === true;
    let entries = byModel.get(model);
    if (entries !== undefined) {
      for (let index = 0; index < entries.length; index++) {
        const entry = entries[index] as Entry;
        if (entry.provider !== provider || entry.tier !== tier || entry.speed !== speed || entry.geo !== geo) continue;
        if (entry.guessedProvider !== guessed || entry.priceId !== priceId || entry.local !== local) continue;
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
      local: query.local === true,
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
    for (const { card, terms, fees, sameModel } of quotes) {
      const charged = charge(card, usage, terms, fees);
      if (charged === undefined) continue;
      const list = query.atMost ? mostOf(charged.nanoUsd, card, usage, terms, fees) : charged.nanoUsd;
      const nanoUsd = factor === 1 ? list : Math.round(list * factor);
      if (!(nanoUsd >= 0)) return undefined;
      const price: { -readonly [K in keyof Price]: Price[K] } = { nanoUsd, exact: charged.exact && sameModel };
      if (charged.unpriced !== undefined) price.unpriced = charged.unpriced;
      if (terms.commitment) price.commitment = true;
      return price;
    }
    return undefined;
  };
}

/** The dearer of `nano` and what the call costs when all of its input is written to a cache. */
function mostOf(nano: number, card: RateCard, usage: Usage, terms: Terms, fees: FeeTable): number {
  const written = charge(card, { ...usage, cacheRead: 0, cacheWrite: usage.input, cacheWrite1h: 0 }, terms, fees);
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
  const plain = !u.inputAudio && !u.outputAudio && !u.outputImage && !u.inputImage;
  return fits && plain ? u : canonicalUsage(u);
}
