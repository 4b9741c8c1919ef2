import type { FeeRow } from "../fees.ts";
import type { PriceRow } from "../rows.ts";
import type { VendorPrices } from "./vendor-prices.ts";

const PROVIDERS = ["perplexity"] as const;
const PAGE = "docs.perplexity.ai/docs/getting-started/pricing";
const LOW = `${PAGE}: the request fee of a low search context, which is the default`;
const FEE_COVERS = `${PAGE}: the request fee covers the searches`;

/** The price library has the fee of a high search context for every call. */
const prices: readonly PriceRow[] = [
  { providers: PROVIDERS, model: "sonar", rates: { input: 1, output: 1, perThousandRequests: 5 }, source: LOW },
  { providers: PROVIDERS, model: "sonar-pro", rates: { input: 3, output: 15, perThousandRequests: 6 }, source: LOW },
  {
    providers: PROVIDERS,
    model: "sonar-reasoning",
    rates: { input: 1, output: 5, perThousandRequests: 5 },
    source: LOW,
  },
  {
    providers: PROVIDERS,
    model: "sonar-reasoning-pro",
    rates: { input: 2, output: 8, perThousandRequests: 6 },
    source: LOW,
  },
  {
    providers: PROVIDERS,
    model: "sonar-deep-research",
    rates: { input: 2, output: 8, reasoning: 3, perThousandWebSearches: 5 },
    source: `${PAGE}: no request fee; searches, citation and reasoning tokens are paid apart`,
  },
];

/** What a larger search context, or Pro Search, adds to the fee of the row. */
const fees: readonly FeeRow[] = [
  {
    providers: PROVIDERS,
    families: ["sonar-deep-research"],
    part: "citation_tokens",
    perThousand: 0.002,
    source: `${PAGE}: $2 per million citation tokens`,
  },
  {
    providers: PROVIDERS,
    families: ["sonar"],
    part: "citation_tokens",
    perThousand: 0,
    source: `${PAGE}: only deep research pays for citation tokens`,
  },
  {
    providers: PROVIDERS,
    families: ["sonar-deep-research"],
    part: "search_context_medium",
    perThousand: 0,
    source: `${PAGE}: deep research has no request fee`,
  },
  {
    providers: PROVIDERS,
    families: ["sonar-deep-research"],
    part: "search_context_high",
    perThousand: 0,
    source: `${PAGE}: deep research has no request fee`,
  },
  {
    providers: PROVIDERS,
    families: ["sonar-pro", "sonar-reasoning-pro"],
    part: "search_context_medium",
    perThousand: 4,
    source: `${PAGE}: $10 instead of $6 per 1,000 requests`,
  },
  {
    providers: PROVIDERS,
    families: ["sonar-pro", "sonar-reasoning-pro"],
    part: "search_context_high",
    perThousand: 8,
    source: `${PAGE}: $14 instead of $6 per 1,000 requests`,
  },
  {
    providers: PROVIDERS,
    families: ["sonar"],
    part: "search_context_medium",
    perThousand: 3,
    source: `${PAGE}: $8 instead of $5 per 1,000 requests`,
  },
  {
    providers: PROVIDERS,
    families: ["sonar"],
    part: "search_context_high",
    perThousand: 7,
    source: `${PAGE}: $12 instead of $5 per 1,000 requests`,
  },
  {
    providers: PROVIDERS,
    families: ["sonar-pro"],
    part: "pro_search",
    perThousand: 8,
    source: `${PAGE}: $14, $18, $22 instead of $6, $10, $14 per 1,000 requests`,
  },
  { providers: PROVIDERS, families: ["sonar"], part: "web_search", perThousand: 0, source: FEE_COVERS },
];

export const perplexity: VendorPrices = { name: "perplexity", prices, fees };
