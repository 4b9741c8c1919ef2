import type { calcPrice, ModelInfo, ModelPrice } from "@pydantic/genai-prices";
import type { Discount, PriceRowConfig } from "../core/config-types.ts";
import { cardOf, ratesOver, windowOf } from "./library-rates.ts";
import { modelKey, modelSpellings, sameModel } from "./model-id.ts";
import { FEES, OVERLAY, TERMS } from "./overlay.ts";
import {
  createPriceBook,
  type Origin,
  type PriceQuery,
  type PriceSource,
  type Quote,
  type QuoteSource,
} from "./price.ts";
import { rulesOf } from "./rate-rules.ts";
import { type RateCard, rateBand, STANDARD_TERMS, type UsdRates } from "./rates.ts";
import { createRowSource, createTermsBook, type PriceRow, type TermsBook } from "./rows.ts";
import { narrow, type Times } from "./validity.ts";

/** The part of the `@pydantic/genai-prices` module that is used. The module takes 28 ms to load: load it late. */
export interface PriceLibrary {
  readonly calcPrice: typeof calcPrice;
}

export interface PricesOptions {
  /** Absent while it is not loaded: then only own prices and the overlay are known. */
  readonly library?: PriceLibrary;
  readonly prices?: readonly PriceRowConfig[];
  readonly discounts?: readonly Discount[];
  /** What servers of the user's own cost where no own price fits: nothing, or what is not known (the default). */
  readonly localServers?: "unknown" | "free";
}

/** The price book: the user's own prices, then our overlay, then the library; then the user's discounts. */
export function createPrices(options: PricesOptions): PriceSource {
  return createPriceBook({ sources: createSources(options), discounts: options.discounts ?? [] });
}

/** The price lists, in order of precedence. */
export function createSources({ library, prices = [], localServers }: PricesOptions): readonly QuoteSource[] {
  const terms = createTermsBook(TERMS, FEES);
  const sources = [createRowSource(OVERLAY, terms)];
  if (prices.length > 0) sources.unshift(createRowSource(prices.map(ownRow), terms, true));
  if (library !== undefined) sources.push(createLibrarySource(library, terms));
  if (localServers === "free") sources.push(FREE_LOCAL);
  return sources;
}

const NOTHING: UsdRates = {
  ...{ input: 0, output: 0, inputAudio: 0, cacheReadAudio: 0, outputAudio: 0, outputImage: 0 },
  perThousandWebSearches: 0,
};

const FREE: Quote = {
  card: [rateBand(NOTHING)],
  terms: STANDARD_TERMS,
  fees: new Map(),
  sameModel: true,
  origin: { model: "*", source: "config: localServers is free", rules: new Map() },
};

/** Servers of the user's own cost nothing, where the user says so. */
const FREE_LOCAL: QuoteSource = (query) => (query.local ? FREE : undefined);

function ownRow(own: PriceRowConfig): PriceRow {
  const { model, provider, inputPerMTok, outputPerMTok, ...rest } = own;
  const { cacheReadPerMTok, cacheWritePerMTok, cacheWrite1hPerMTok, perThousandWebSearches, ...dated } = rest;
  const rates: UsdRates = {
    input: inputPerMTok,
    output: outputPerMTok,
    ...(cacheReadPerMTok === undefined ? {} : { cacheRead: cacheReadPerMTok }),
    ...(cacheWritePerMTok === undefined ? {} : { cacheWrite: cacheWritePerMTok }),
    ...(cacheWrite1hPerMTok === undefined ? {} : { cacheWrite1h: cacheWrite1hPerMTok }),
    ...(perThousandWebSearches === undefined ? {} : { perThousandWebSearches }),
  };
  return { ...dated, ...(provider === undefined ? {} : { providers: [provider] }), model, rates, source: "config" };
}

/** OpenTelemetry's names of vendors and the library's. A vendor that is not here has no prices in the library. */
const LIBRARY_IDS = {
  anthropic: "anthropic",
  "aws.bedrock": "aws",
  "azure.ai.inference": "azure",
  "azure.ai.openai": "azure",
  cerebras: "cerebras",
  cohere: "cohere",
  deepseek: "deepseek",
  fireworks: "fireworks",
  "gcp.gemini": "google",
  "gcp.gen_ai": "google",
  "gcp.vertex_ai": "google",
  groq: "groq",
  minimax: "minimax",
  mistral_ai: "mistral",
  moonshot_ai: "moonshotai",
  novita: "novita",
  openai: "openai",
  openrouter: "openrouter",
  ovhcloud: "ovhcloud",
  perplexity: "perplexity",
  together: "together",
  voyageai: "voyageai",
  x_ai: "x-ai",
  zai: "zai",
} as const satisfies Record<string, string>;

/** Gateways that pass calls on at the maker's price: there the model's name decides. */
const PASS_ON = new Set(["vercel", "cloudflare", "portkey"]);

/** The library's answer for a model, and how long it holds. */
interface Entry {
  readonly card: RateCard | undefined;
  readonly exact: boolean;
  readonly from: number;
  readonly until: number;
  readonly origin: Origin;
}

/**
 * The library as a source. Its own arithmetic takes 18 µs a call; its rates are read once a model and time and then
 * charged by ours, which a test holds against it. Prices that `updatePrices` brings are seen by a new source only.
 */
export function createLibrarySource(library: PriceLibrary, terms: TermsBook): QuoteSource {
  return (query, validity) => {
    if (query.local) return undefined;
    const { card, exact, from, until, origin } = look(library, query);
    narrow(validity, from, query.at);
    narrow(validity, until, query.at);
    // A time that cannot be read: the answer holds for this call only.
    if (until <= query.at) validity.until = query.at;
    if (card === undefined) return undefined;
    const found = terms.termsOf(query, validity);
    return found && { card, terms: found, fees: terms.feesOf(query, validity), sameModel: exact, origin };
  };
}

/** The first spelling that names this very model wins; else the first that the library matches to a similar one. */
function look(library: PriceLibrary, query: PriceQuery): Entry {
  let similar: Entry | undefined;
  for (const { providerId, model } of attempts(query)) {
    const found = ask(library, model, providerId, query.at);
    if (found === undefined) continue;
    const exact = sameModel(query.model, found.model.id);
    const key = modelKey(found.model.id);
    const window = windowOf(found.model, query.at);
    const entry: Entry = {
      card: cardOf(found.price, found.model.id, key),
      exact,
      ...window,
      origin: originOf(found, key, window),
    };
    if (entry.exact) return entry;
    similar ??= entry;
  }
  return similar ?? NOT_FOUND;
}

const NOT_FOUND: Entry = {
  card: undefined,
  exact: false,
  from: Number.NEGATIVE_INFINITY,
  until: Number.POSITIVE_INFINITY,
  origin: { model: "", source: "", rules: new Map() },
};

function originOf({ model, price, urls }: Answer, key: string, { from, until }: Times): Origin {
  return {
    model: model.id,
    source: ["@pydantic/genai-prices", ...urls.slice(0, 1)].join(", "),
    from: isoOf(from),
    until: isoOf(until),
    rules: rulesOf(ratesOver(price, -1), key),
  };
}

function isoOf(ms: number): string | undefined {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : undefined;
}

interface Attempt {
  readonly providerId: string | undefined;
  readonly model: string;
}

function attempts(query: PriceQuery): readonly Attempt[] {
  const mapped = LIBRARY_IDS[query.provider as keyof typeof LIBRARY_IDS] as string | undefined;
  const providerId = query.priceId ?? mapped;
  const spellings = modelSpellings(query.model);
  const tries: Attempt[] = providerId === undefined ? [] : spellings.map((model) => ({ providerId, model }));
  if (query.guessedProvider !== true && !PASS_ON.has(query.provider)) return tries;
  // `litellm` is the library's name for "the provider is before the slash".
  if (query.model.includes("/")) tries.push({ providerId: "litellm", model: query.model });
  return [...tries, ...spellings.map((model) => ({ providerId: undefined, model }))];
}

interface Answer {
  readonly model: ModelInfo;
  readonly price: ModelPrice;
  /** The vendor's price pages. */
  readonly urls: readonly string[];
}

/** The library throws on data it does not understand; a price is never worth an exception. */
function ask(library: PriceLibrary, model: string, providerId: string | undefined, at: number): Answer | undefined {
  try {
    const options = { timestamp: new Date(at), ...(providerId === undefined ? {} : { providerId }) };
    const found = library.calcPrice({}, model, options);
    if (found === null) return undefined;
    return { model: found.model, price: found.model_price, urls: found.provider?.pricing_urls ?? [] };
  } catch {
    return undefined;
  }
}
