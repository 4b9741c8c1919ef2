import { readFileSync } from "node:fs";
import { lacksOf, ratesOf } from "../../../pricing/explain.ts";
import { REQUEST } from "../../../pricing/fees.ts";
import type { PriceQuery, Quote } from "../../../pricing/price.ts";
import type { RateBand } from "../../../pricing/rates.ts";
import { textTable } from "../../../terminal/table.ts";

/** The price of a model at one vendor. */
export interface Found {
  readonly query: PriceQuery;
  readonly quote: Quote;
}

export function toText(found: readonly Found[], at: number): readonly string[] {
  return found.flatMap((one, index) => [...(index === 0 ? [] : [""]), ...block(one, at)]);
}

/** One vendor's price: its row, the rates band by band, the fees, and what has no price. */
function block({ query, quote }: Found, at: number): readonly string[] {
  const { card, origin, sameModel, terms } = quote;
  const tier = query.tier === undefined ? "" : `, tier ${query.tier}`;
  const titles = ["", { title: "USD", align: "right" as const }, "per", ""];
  const rows = [
    ...card.flatMap((band, index) => bandRows(band, index, quote)),
    ...feesOf(quote).map(({ part, usd, per, source }) => [part.replaceAll("_", " "), String(usd), per, source]),
  ];
  return [
    `${query.model} at ${query.provider}${tier}, ${new Date(at).toISOString().slice(0, 10)}`,
    `  row     ${origin.model}${sameModel ? "" : ", a similar name: the price is inexact"}`,
    `  source  ${sourceOf(quote)}`,
    `  valid   ${validOf(quote)}`,
    ...(terms.commitment ? ["  terms   tokens are paid by a commitment"] : []),
    ...(terms.factor === 1
      ? []
      : [`  terms   ${terms.factor} × the list price${terms.exact ? "" : ", not confirmed"}`]),
    ...textTable(titles, rows)
      .slice(1)
      .map((line) => `  ${line}`),
    `  lacks   ${lacksOf(quote, query.provider).join(", ") || "nothing"}`,
  ];
}

function bandRows(band: RateBand, index: number, quote: Quote): readonly (readonly string[])[] {
  const over = index === 0 ? "" : `, over ${band.over.toLocaleString("en-US")} input tokens`;
  return ratesOf(band, quote).map(({ kind, usd, by = "" }) => [`${kind}${over}`, String(usd), "million tokens", by]);
}

interface ShownFee {
  readonly part: string;
  readonly usd: number;
  readonly per: string;
  readonly source: string;
}

/** The card's own fees, then the vendor's. */
function feesOf({ card: [band], fees, origin }: Quote): readonly ShownFee[] {
  const own = [
    { part: REQUEST, nano: band.request === 0 ? undefined : band.request, per: "thousand" },
    { part: "web_search", nano: band.webSearch, per: "thousand" },
  ].flatMap(({ part, nano, per }) =>
    nano === undefined ? [] : [{ part, usd: usdOf(nano), per, source: origin.source }],
  );
  const rest = [...fees].flatMap(([part, { nano, once, unless, row }]) =>
    part === "web_search" && band.webSearch !== undefined
      ? []
      : [
          {
            part,
            usd: usdOf(nano),
            per: once ? "thousand calls" : "thousand",
            source: `${row.source}${unless === undefined ? "" : `; partial: ${unless}`}`,
          },
        ],
  );
  return [...own, ...rest];
}

/** USD for a thousand. */
function usdOf(nano: number): number {
  return Math.round(nano * 1e3) / 1e9;
}

function sourceOf({ origin }: Quote): string {
  const isLibrary = origin.source.startsWith(LIBRARY);
  return isLibrary ? `${LIBRARY} ${libraryVersion()}${origin.source.slice(LIBRARY.length)}` : origin.source;
}

const LIBRARY = "@pydantic/genai-prices";

function libraryVersion(): string {
  const manifest = new URL("../package.json", import.meta.resolve(LIBRARY));
  return (JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string }).version;
}

function validOf({ origin: { from, until } }: Quote): string {
  if (from === undefined && until === undefined) return "at any time: the row has no dates";
  return [from && `from ${from}`, until && `until ${until}`].filter(Boolean).join(", ");
}

export function toJson(found: readonly Found[]): readonly string[] {
  const shown = found.map(({ query, quote }) => ({
    model: query.model,
    provider: query.provider,
    row: quote.origin.model,
    source: sourceOf(quote),
    from: quote.origin.from ?? null,
    until: quote.origin.until ?? null,
    exact: quote.sameModel && quote.terms.exact,
    factor: quote.terms.factor,
    commitment: quote.terms.commitment,
    bands: quote.card.map((band) => ({ over: band.over, usdPerMTok: ratesOf(band, quote) })),
    usdPerThousand: feesOf(quote),
    lacks: lacksOf(quote, query.provider),
  }));
  return [JSON.stringify(shown)];
}
