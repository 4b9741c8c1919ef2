/** The price of requests to an API that is no model. */
export interface ToolPrice {
  /** An exact name, or with `*` for any part of it, each with or without `:port`. */
  readonly host: string;
  /** The whole path, or with `*` for any part of it; every path when absent. */
  readonly path?: string;
  /** Every method but `HEAD` and `OPTIONS` when absent. */
  readonly method?: string;
  /** The name of an MCP tool, or `*` for each: then only requests that call it have the price. */
  readonly tool?: string;
  /** USD for a request, or for one unit of `figure`. */
  readonly usd: number;
  /** The member of the answer that says how many units it cost, such as `usage.credits`. */
  readonly figure?: string;
  /** Units of an answer that does not say the figure, and of what is held before the first; 1 when absent. */
  readonly assume?: number;
  /** What is paid for, as reports show it. */
  readonly what?: string;
}

/** A list price, where it was read, and when. */
interface ListedPrice extends ToolPrice {
  readonly source: string;
  /** The day on which the source said so. */
  readonly read: string;
}

/**
 * List prices of well-known tool APIs, pay as you go: what an account pays may differ, and free allowances are not taken
 * off. Used only where the configuration has `toolPrices`. [unconfirmed]: not read in the vendor's own documents.
 */
export const TOOL_PRICES: readonly ListedPrice[] = [
  {
    // 1 credit for a basic search; an advanced one costs 2, which only an answer with `include_usage` says.
    ...{ host: "api.tavily.com", path: "/search", method: "POST", usd: 0.008, figure: "usage.credits" },
    ...{ what: "tavily search", source: "https://docs.tavily.com/documentation/api-credits", read: "2026-11-28" },
  },
  {
    // The answer says what it cost in USD; a search with up to 10 results is assumed.
    ...{ host: "api.exa.ai", path: "/search", method: "POST", usd: 1, figure: "costDollars.total", assume: 0.007 },
    what: "exa search",
    ...{ source: "https://exa.ai/docs/reference/pricing", read: "2026-11-28" },
  },
  {
    ...{ host: "api.exa.ai", path: "/answer", method: "POST", usd: 1, figure: "costDollars.total", assume: 0.005 },
    what: "exa answer",
    ...{ source: "https://exa.ai/docs/reference/pricing", read: "2026-11-28" },
  },
  {
    ...{ host: "api.perplexity.ai", path: "/search", method: "POST", usd: 0.005, what: "perplexity search" },
    // [unconfirmed] The vendor's page was not read; a comparison by You.com of October 2026 gives this figure.
    ...{ source: "https://docs.perplexity.ai/docs/search/overview", read: "2026-11-28" },
  },
  {
    ...{ host: "api.search.brave.com", path: "/res/v1/web/search", usd: 0.005, what: "brave search" },
    ...{ source: "https://api-dashboard.search.brave.com/app/plans", read: "2026-11-28" },
  },
  {
    ...{ host: "api.search.brave.com", path: "/res/v1/llm/context", usd: 0.005, what: "brave search" },
    ...{ source: "https://api-dashboard.search.brave.com/app/plans", read: "2026-11-28" },
  },
  {
    // [unconfirmed] The smallest package of credits, one credit a query.
    ...{ host: "google.serper.dev", path: "/search", method: "POST", usd: 0.001, what: "serper search" },
    ...{ source: "https://serper.dev", read: "2026-11-28" },
  },
];
