import { createFeeBook, type FeeBook, type FeeRow } from "./fees.ts";
import { isSnapshot, modelKey } from "./model-id.ts";
import type { PriceQuery, QuoteSource } from "./price.ts";
import { rulesOf, withRules } from "./rate-rules.ts";
import { type RateCard, rateBand, STANDARD_TERMS, type Terms, type UsdRates } from "./rates.ts";
import { type Dated, narrow, type Times, timesOf, type Validity } from "./validity.ts";

/** The rates of one model for one time. Append a row when a price changes; an edited row re-prices the past. */
export interface PriceRow extends Dated {
  /** OpenTelemetry names; absent fits every vendor. */
  readonly providers?: readonly string[];
  /** Without a date it covers the model's dated snapshots too; with one it covers that snapshot only. */
  readonly model: string;
  /** The row holds the rates of this tier or speed itself; no factor of {@link TermsRow} is applied for it. */
  readonly tier?: string;
  readonly speed?: string;
  readonly rates: UsdRates;
  /** Rates of calls with more than `over` input tokens, cached ones included, for all tokens of the call. */
  readonly long?: { readonly over: number; readonly rates: UsdRates };
  /** Where the numbers come from, and what about them is not confirmed. */
  readonly source: string;
}

/** What a tier, a speed or a geography does to the price. A named value without a fitting row has no known price. */
export interface TermsRow extends Dated {
  readonly providers: readonly string[];
  readonly by: "tier" | "speed" | "geo";
  /** In lower case. */
  readonly values: readonly string[];
  /** Keys of {@link modelKey}; absent fits every model. */
  readonly models?: readonly string[];
  /** The beginnings of such keys; absent fits every model. */
  readonly families?: readonly string[];
  /** On every kind of token, or a commitment that has paid them already. */
  readonly effect: number | "commitment";
  /** Not offered for the model's long-context rates. */
  readonly shortOnly?: true;
  /** The vendor does not confirm that the factor applies to every kind of token. */
  readonly inexact?: true;
  readonly source: string;
}

/** What a source needs besides rates: the terms of a call, and the fees for what is no token. */
export interface TermsBook {
  /**
   * Undefined when the call's terms have no known price. `own` names what the rates already contain. Narrows `validity`
   * to the time in which the answer holds.
   */
  termsOf(query: PriceQuery, validity: Validity, own?: OwnTerms): Terms | undefined;
  readonly feesOf: FeeBook;
}

/** Which of a call's terms are contained in the rates themselves. */
export interface OwnTerms {
  readonly tier: boolean;
  readonly speed: boolean;
}

/** The vendors' names of the ordinary tier, speed and geography. */
const PLAIN = new Set([
  ...["default", "auto", "standard", "standard_only", "on_demand", "normal", "global", "not_available", "unspecified"],
  ...["service_tier_standard", "service_tier_unspecified", "traffic_type_unspecified"],
]);

export function createTermsBook(rows: readonly TermsRow[], fees: readonly FeeRow[]): TermsBook {
  const dated = rows.map(withTimes);
  // Only vendors that price by geography can be asked for one; elsewhere the field is a mere fact.
  const geoProviders = new Set(rows.filter((row) => row.by === "geo").flatMap((row) => row.providers));
  /** The row for one term of a call, such as the tier `batch`. */
  function find(query: PriceQuery, by: TermsRow["by"], value: string, validity: Validity): TermsRow | undefined {
    const key = modelKey(query.model);
    let found: TermsRow | undefined;
    for (const { row, from, until } of dated) {
      if (row.by !== by || !row.values.includes(value) || !row.providers.includes(query.provider)) continue;
      if (row.models !== undefined && !row.models.includes(key)) continue;
      if (row.families !== undefined && !row.families.some((family) => key.startsWith(family))) continue;
      narrow(validity, from, query.at);
      narrow(validity, until, query.at);
      if (query.at >= from && query.at < until) found ??= row;
    }
    return found;
  }

  function termsOf(query: PriceQuery, validity: Validity, own = OWN_NOTHING): Terms | undefined {
    let terms = STANDARD_TERMS;
    for (const by of ["tier", "speed", "geo"] as const) {
      const value = query[by];
      if (value === undefined || PLAIN.has(value) || (by !== "geo" && own[by])) continue;
      if (by === "geo" && !geoProviders.has(query.provider)) continue;
      const asked = value.toLowerCase();
      if (asked === "" || PLAIN.has(asked)) continue;
      const found = find(query, by, asked, validity);
      if (found === undefined) return undefined;
      terms = stacked(terms, found);
    }
    return terms;
  }

  return { termsOf, feesOf: createFeeBook(fees) };
}

const OWN_NOTHING: OwnTerms = { tier: false, speed: false };

/** Factors multiply: batch and US inference cost 0.5 × 1.1 = 0.55 of the list price. */
function stacked(terms: Terms, row: TermsRow): Terms {
  return {
    factor: row.effect === "commitment" ? terms.factor : terms.factor * row.effect,
    exact: terms.exact && !row.inexact,
    commitment: terms.commitment || row.effect === "commitment",
    shortOnly: terms.shortOnly || row.shortOnly === true,
  };
}

/**
 * A source from rows. Of several that fit, a row of the call's own tier or speed beats a general one, the literal id
 * beats the model's name, a later `from` beats an earlier, a later line the one before. `isOwn`: they are the user's, and hold for servers of the user's own too.
 */
export function createRowSource(rows: readonly PriceRow[], terms: TermsBook, isOwn = false): QuoteSource {
  const byKey = Map.groupBy(
    rows.map((row, line) => ({
      ...withTimes(row),
      line,
      card: cardOf(row, isOwn),
      literal: row.model.toLowerCase().trim(),
    })),
    ({ row }) => modelKey(row.model),
  );

  return (query, validity) => {
    if (query.local && !isOwn) return undefined;
    const asked = query.model.toLowerCase().trim();
    const fitting = (byKey.get(modelKey(query.model)) ?? [])
      .filter(({ row, literal }) => fitsProvider(row, query) && (literal === asked || !isSnapshot(literal)))
      .filter(({ row }) => matchesTerm(row.tier, query.tier) && matchesTerm(row.speed, query.speed))
      .sort(
        (a, b) =>
          ownTerms(b.row) - ownTerms(a.row) ||
          Number(b.literal === asked) - Number(a.literal === asked) ||
          descending(a.from, b.from) ||
          b.line - a.line,
      );
    for (const { row, card, from, until } of fitting) {
      narrow(validity, from, query.at);
      narrow(validity, until, query.at);
      if (!(query.at >= from && query.at < until)) continue;
      const own = { tier: row.tier !== undefined, speed: row.speed !== undefined };
      const found = terms.termsOf(query, validity, own);
      if (found === undefined) return undefined;
      const rules = rulesOf(row.rates, modelKey(row.model));
      const origin = { model: row.model, source: row.source, from: row.from, until: row.until, rules };
      return { card, terms: found, fees: terms.feesOf(query, validity), sameModel: true, origin };
    }
    return undefined;
  };
}

function cardOf(row: PriceRow, isOwn: boolean): RateCard {
  const key = modelKey(row.model);
  const first = rateBand(withRules(row.rates, key), 0, isOwn);
  if (row.long === undefined) return [first];
  // Searches and request fees do not depend on the length of the input.
  const { perThousandWebSearches, perThousandRequests } = row.rates;
  const fees = {
    ...(perThousandWebSearches === undefined ? {} : { perThousandWebSearches }),
    ...(perThousandRequests === undefined ? {} : { perThousandRequests }),
  };
  return [first, rateBand(withRules({ ...fees, ...row.long.rates }, key), row.long.over, isOwn)];
}

/** A provider guessed from the wire format may be any vendor behind a gateway: there the model's name decides. */
function fitsProvider(row: PriceRow, query: PriceQuery): boolean {
  const { provider, guessedProvider } = query;
  return row.providers === undefined || row.providers.includes(provider) || guessedProvider === true;
}

/** By rising distance to the future; no date at all is the farthest past. Not a subtraction: -∞ - -∞ is NaN. */
function descending(a: number, b: number): number {
  return a === b ? 0 : a > b ? -1 : 1;
}

function matchesTerm(own: string | undefined, asked: string | undefined): boolean {
  return own === undefined || own === asked;
}

function ownTerms(row: PriceRow): number {
  return Number(row.tier !== undefined) + Number(row.speed !== undefined);
}

function withTimes<R extends Dated>(row: R): Times & { readonly row: R } {
  return { row, ...timesOf(row) };
}
