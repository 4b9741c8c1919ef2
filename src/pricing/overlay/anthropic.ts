import type { FeeRow } from "../fees.ts";
import type { PriceRow, TermsRow } from "../rows.ts";
import type { VendorPrices } from "./vendor-prices.ts";

const CLAUDE = ["anthropic", "azure.ai.inference"] as const;
const CLAUDE_SITE = "platform.claude.com/docs/en/about-claude/pricing; Foundry bills at the same rates";

const prices: readonly PriceRow[] = [
  {
    // 100,000 tokens at 0.10 are $0.01; 100,001 are in the upper band: at 0.50, five times that.
    providers: CLAUDE,
    model: "claude-haiku-5-5",
    from: "2026-10-07",
    rates: {
      input: 0.1,
      output: 0.5,
      cacheRead: 0.01,
      cacheWrite: 0.125,
      cacheWrite1h: 0.2,
      perThousandWebSearches: 10,
    },
    long: { over: 100_000, rates: { input: 0.5, output: 2.5, cacheRead: 0.05, cacheWrite: 0.625, cacheWrite1h: 1 } },
    source: "platform.claude.com/docs/en/models/haiku-5-5/overview",
  },
  {
    providers: CLAUDE,
    model: "claude-sonnet-5-5",
    rates: { input: 2, output: 10, cacheRead: 0.2, cacheWrite: 2.5, cacheWrite1h: 4, perThousandWebSearches: 10 },
    source: `${CLAUDE_SITE}; cache read before 2026-10-07 [secondary]`,
  },
  {
    providers: CLAUDE,
    model: "claude-sonnet-5-5",
    from: "2026-10-07",
    rates: { input: 2, output: 10, cacheRead: 0.1, cacheWrite: 2.5, cacheWrite1h: 4, perThousandWebSearches: 10 },
    source: "cache reads cost 5 % of input: platform.claude.com/docs/en/models/haiku-5-5/overview; the day [secondary]",
  },
  {
    providers: CLAUDE,
    model: "claude-fable-5-2",
    from: "2026-11-09",
    rates: { input: 8, output: 40, cacheRead: 0.2, cacheWrite: 10, cacheWrite1h: 16, perThousandWebSearches: 10 },
    source: `${CLAUDE_SITE} [secondary]`,
  },
  // Fast mode has rates of its own. Its cache rates are the model's usual share of input: read 0.1x of 10, and 0.05x
  // of 8 on Opus 5.5; writes 1.25x and 2x. Fable 5.2 has fast mode too, at a rate we do not know: unpriced.
  {
    providers: ["anthropic"],
    model: "claude-opus-5",
    speed: "fast",
    rates: { input: 10, output: 50, cacheRead: 1, cacheWrite: 12.5, cacheWrite1h: 20, perThousandWebSearches: 10 },
    source: "Anthropic docs: $10/$50, cache multipliers on top [secondary]",
  },
  {
    providers: ["anthropic"],
    model: "claude-opus-4-8",
    speed: "fast",
    rates: { input: 10, output: 50, cacheRead: 1, cacheWrite: 12.5, cacheWrite1h: 20, perThousandWebSearches: 10 },
    source: "Anthropic docs: $10/$50, cache multipliers on top [secondary]",
  },
  {
    providers: ["anthropic"],
    model: "claude-opus-5-5",
    speed: "fast",
    rates: { input: 8, output: 40, cacheRead: 0.4, cacheWrite: 10, cacheWrite1h: 16, perThousandWebSearches: 10 },
    source: "$8/$40 [secondary], cache multipliers on top [inferred]",
  },
];

const terms: readonly TermsRow[] = [
  {
    providers: ["anthropic"],
    by: "tier",
    values: ["batch"],
    effect: 0.5,
    source: "Anthropic docs: 50 % off input and output, stacks with cache rates",
  },
  {
    providers: ["anthropic"],
    by: "tier",
    values: ["priority"],
    effect: "commitment",
    source: "platform.claude.com/docs/en/api/service-tiers: capacity bought ahead; no cost rows [Anthropic docs]",
  },
  {
    providers: ["anthropic"],
    by: "geo",
    values: ["us"],
    models: [
      ...["claude-3-haiku", "claude-3-opus", "claude-3-5-haiku", "claude-3-5-sonnet", "claude-3-7-sonnet"],
      ...["claude-opus-4", "claude-opus-4-1", "claude-opus-4-5", "claude-sonnet-4", "claude-sonnet-4-5"],
      "claude-haiku-4-5",
    ],
    effect: 1,
    source: "Anthropic docs: models before Opus 4.6 have no price by geography",
  },
  {
    providers: ["anthropic"],
    by: "geo",
    values: ["us"],
    effect: 1.1,
    source: "Anthropic docs: 1.1x on every kind of token, Opus 4.6 and later, stacks",
  },
];

// Code execution has no row: it is charged by the hour, above free hours of the organization, so that the call is partial.
const fees: readonly FeeRow[] = [
  {
    providers: CLAUDE,
    part: "web_search",
    perThousand: 10,
    source: `${CLAUDE_SITE}: $10 per 1,000 searches`,
  },
  {
    providers: ["gcp.vertex_ai"],
    families: ["claude"],
    part: "web_search",
    perThousand: 10,
    source: "platform.claude.com web search tool: offered on Vertex AI too; that it costs the same there [inferred]",
  },
  {
    providers: CLAUDE,
    part: "web_fetch",
    perThousand: 0,
    source: `${CLAUDE_SITE}: web fetch costs nothing beside its tokens`,
  },
  {
    providers: CLAUDE,
    part: "tool_search",
    perThousand: 0,
    source: "platform.claude.com tool search tool: tokens only",
  },
];

export const anthropic: VendorPrices = { name: "anthropic", prices, terms, fees };
