import { canonicalUsage, type Usage } from "../core/usage.ts";
import { modelKey } from "./model-id.ts";

/** One call to price. Prices belong to calls, never to sums: long-context rates depend on the input of each call. */
export interface PriceQuery {
  /** The vendor by its OpenTelemetry name: `openai`, `anthropic`, `gcp.gemini`, `aws.bedrock` … */
  readonly provider: string;
  /** The model that served the call, as the vendor wrote it. */
  readonly model: string;
  /** Service tier, speed and inference geography as the response says them. */
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
}

export interface Price {
  /** Integer nano-USD (1e-9 USD) for this call. Zero only where zero is known, such as a row of rate 0. */
  readonly nanoUsd: number;
  /** False when the price of a model of a similar name, or a rate that stands in for the real one, was used. */
  readonly exact: boolean;
  /** A part of the call, such as web searches, has no known price and is not in `nanoUsd`. */
  readonly partial?: true;
  /** The tokens are paid by a commitment (provisioned, reserved), so that they cost nothing more: a known zero. */
  readonly commitment?: true;
}

/** Undefined when the price is not known. Unknown is never zero. Does not throw. */
export type PriceSource = (query: PriceQuery) => Price | undefined;

/** What an account pays of the price: 0.9 is 10 % off, 1.1 an uplift such as data residency. Absent fields fit all. */
export interface Discount {
  readonly provider?: string;
  readonly model?: string;
  readonly factor: number;
}

/** A price of the user's own, USD per million tokens. Zero is a real price: use it for what costs nothing. */
export interface PriceRowConfig {
  /** Without a date in its name it covers the model's dated snapshots too. */
  readonly model: string;
  /** OpenTelemetry name; absent fits every vendor. */
  readonly provider?: string;
  readonly inputPerMTok: number;
  readonly outputPerMTok: number;
  /** Absent: the input rate. */
  readonly cacheReadPerMTok?: number;
  /** Absent: the input rate. */
  readonly cacheWritePerMTok?: number;
  /** Absent: the cache write rate. */
  readonly cacheWrite1hPerMTok?: number;
  /** Absent: the vendor's list price, where it is known. */
  readonly perThousandWebSearches?: number;
  /** The row is the price of this tier or speed itself. Without it, the vendor's factors apply to the row's rates. */
  readonly tier?: string;
  readonly speed?: string;
  /** ISO dates, UTC; `from` belongs to the time, `until` does not. */
  readonly from?: string;
  readonly until?: string;
}

export interface PriceBookOptions {
  /** Asked in order; the first that knows a price decides. */
  readonly sources: readonly PriceSource[];
  /** The first that fits applies, whatever source the price comes from. */
  readonly discounts?: readonly Discount[];
}

/** One source out of many. */
export function createPriceBook({ sources, discounts = [] }: PriceBookOptions): PriceSource {
  const factorOf = perModel((query) => discountFactor(discounts, query));

  return (asked) => {
    const query = canonical(asked);
    if (query === undefined) return undefined;
    for (const source of sources) {
      const price = source(query);
      if (price === undefined) continue;
      const factor = discounts.length === 0 ? 1 : factorOf(query);
      if (factor === 1) return price;
      const nanoUsd = Math.round(price.nanoUsd * factor);
      return nanoUsd >= 0 ? { ...price, nanoUsd } : undefined;
    }
    return undefined;
  };
}

function discountFactor(discounts: readonly Discount[], query: PriceQuery): number {
  const key = modelKey(query.model);
  for (const row of discounts) {
    if (row.provider !== undefined && row.provider !== query.provider) continue;
    if (row.model === undefined || modelKey(row.model) === key) return row.factor;
  }
  return 1;
}

/** Parts beyond their whole are cut to fit; a count that is no count (NaN, negative) makes the price unknown. */
function canonical(query: PriceQuery): PriceQuery | undefined {
  const u = query.usage;
  if (!(u.input >= 0 && u.output >= 0 && u.cacheRead >= 0 && u.cacheWrite >= 0)) return undefined;
  if (!(u.cacheWrite1h >= 0 && u.reasoning >= 0 && u.webSearches >= 0)) return undefined;
  const fits = u.cacheRead + u.cacheWrite <= u.input && u.cacheWrite1h <= u.cacheWrite && u.reasoning <= u.output;
  const plain = !u.inputAudio && !u.outputAudio && !u.outputImage;
  return fits && plain ? query : { ...query, usage: canonicalUsage(u) };
}

/**
 * Remembers the answer of `find` per provider (its price id and certainty included) and model; it must depend on
 * nothing else of the query. Ids come from responses, so all is forgotten when there are too many.
 */
export function perModel<V>(find: (query: PriceQuery) => V): (query: PriceQuery) => V {
  const known = new Map<string, Map<string, Remembered<V>>>();
  const guessed = new Map<string, Map<string, Remembered<V>>>();
  let size = 0;

  return (query) => {
    const providers = query.guessedProvider ? guessed : known;
    const found = providers.get(query.provider)?.get(query.model);
    if (found !== undefined && found.priceId === query.priceId) return found.value;
    if (size >= MAX_REMEMBERED) {
      known.clear();
      guessed.clear();
      size = 0;
    }
    const value = find(query);
    let models = providers.get(query.provider);
    if (models === undefined) {
      models = new Map();
      providers.set(query.provider, models);
    }
    models.set(query.model, { priceId: query.priceId, value });
    size++;
    return value;
  };
}

interface Remembered<V> {
  readonly priceId: string | undefined;
  readonly value: V;
}

const MAX_REMEMBERED = 2_000;
