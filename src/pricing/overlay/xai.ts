import type { FeeRow } from "../fees.ts";
import type { VendorPrices } from "./vendor-prices.ts";

const PROVIDERS = ["x_ai"] as const;
const PAGE = "docs.x.ai/developers/pricing, tool invocation costs";

/** Answers of xAI report their cost; these are for those that lack it. Only calls that succeeded are charged. */
const fees: readonly FeeRow[] = [
  { providers: PROVIDERS, part: "web_search", perThousand: 5, source: `${PAGE}: $5 per 1,000 calls` },
  { providers: PROVIDERS, part: "x_search", perThousand: 5, source: `${PAGE}: $5 per 1,000 calls` },
  { providers: PROVIDERS, part: "code_execution", perThousand: 5, source: `${PAGE}: $5 per 1,000 calls` },
  { providers: PROVIDERS, part: "attachment_search", perThousand: 10, source: `${PAGE}: $10 per 1,000 calls` },
  { providers: PROVIDERS, part: "file_search", perThousand: 2.5, source: `${PAGE}: $2.50 per 1,000 calls` },
  { providers: PROVIDERS, part: "code_interpreter", perThousand: 5, source: `${PAGE}: $5 per 1,000 calls` },
  { providers: PROVIDERS, part: "collections_search", perThousand: 2.5, source: `${PAGE}: $2.50 per 1,000 calls` },
  { providers: PROVIDERS, part: "mcp", perThousand: 0, source: `${PAGE}: tokens only [unconfirmed]` },
  {
    providers: PROVIDERS,
    part: "search_source",
    perThousand: 25,
    source: "docs.x.ai, live search of chat completions: $25 per 1,000 sources used; withdrawn in 2026 [secondary]",
  },
];

export const xai: VendorPrices = { name: "xai", fees };
