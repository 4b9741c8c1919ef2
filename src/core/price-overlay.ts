import type { PriceRow, SearchRow, TermsRow } from "./price-rows.ts";

/**
 * What the price library (`@pydantic/genai-prices` 0.1.8) lacks or has stale, and what no price library has: tiers,
 * speeds and geographies. Append rows, never edit one: an edit would re-price the past. A date is UTC midnight; vendors
 * do not say the hour of a change. Read on 2026-11-23; [secondary] is a third party quoting the vendor, [inferred] our
 * own conclusion, [unconfirmed] neither.
 */

const CLAUDE = ["anthropic", "azure.ai.inference"] as const;
const CLAUDE_SITE = "platform.claude.com/docs/en/about-claude/pricing; Foundry bills at the same rates";
const GPT6_LONG = "over 272K input tokens input and cache rates double and output is 1.5x, for the whole request";

export const OVERLAY: readonly PriceRow[] = [
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
  {
    // 272,000 tokens at 2 are $0.544; 272,001 at 4 are $1.088004. A 12-hour cache write costs 2x the write rate, and
    // usage does not say which writes those were: they are charged as 30-minute ones.
    providers: ["openai"],
    model: "gpt-6.1-sol",
    from: "2026-09-29",
    rates: { input: 2, output: 10, cacheRead: 0.1, cacheWrite: 2.5, perThousandWebSearches: 10 },
    long: { over: 272_000, rates: { input: 4, output: 15, cacheRead: 0.2, cacheWrite: 5 } },
    source: `developers.openai.com/api/docs/models/gpt-6.1-sol [secondary]; ${GPT6_LONG}`,
  },
  {
    providers: ["openai"],
    model: "gpt-6.2-sol",
    from: "2026-11-17",
    rates: { input: 2, output: 10, cacheRead: 0.1, cacheWrite: 2.5, perThousandWebSearches: 10 },
    long: { over: 272_000, rates: { input: 4, output: 15, cacheRead: 0.2, cacheWrite: 5 } },
    source: `developers.openai.com/api/docs/models/gpt-6.2-sol; ${GPT6_LONG}`,
  },
  {
    providers: ["openai"],
    model: "gpt-6.2-astra",
    from: "2026-11-17",
    rates: { input: 8, output: 40, cacheRead: 0.4, cacheWrite: 10, perThousandWebSearches: 10 },
    long: { over: 272_000, rates: { input: 16, output: 60, cacheRead: 0.8, cacheWrite: 20 } },
    source: `$8/$40, cached input 60 % below GPT-6 Astra's $1 [secondary]; write 1.25x [inferred]; ${GPT6_LONG}`,
  },
];

const FAST_MODE = "openai.com/api-fast-mode (priority processing until 2026-07-30)";

export const TERMS: readonly TermsRow[] = [
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
  {
    providers: ["openai"],
    by: "tier",
    values: ["batch", "flex"],
    effect: 0.5,
    source:
      "developers.openai.com: batch 50 %; flex the same [unconfirmed]; of whichever rate applies, long context too",
  },
  {
    providers: ["openai"],
    by: "tier",
    values: ["scale"],
    effect: "commitment",
    source: "OpenAI Scale Tier: tokens are bought ahead in units",
  },
  {
    providers: ["openai"],
    by: "tier",
    values: ["priority", "fast"],
    models: ["gpt-5-5"],
    effect: 2.5,
    shortOnly: true,
    source: `${FAST_MODE}: 12.50 / 1.25 / 75 against 5 / 0.50 / 30, excludes long context`,
  },
  {
    providers: ["openai"],
    by: "tier",
    values: ["priority", "fast"],
    models: ["gpt-5", "gpt-5-1", "gpt-5-2", "gpt-5-4", "gpt-5-4-mini"],
    effect: 2,
    shortOnly: true,
    source: `${FAST_MODE}: 5.4 is 5 / 0.50 / 30 against 2.50 / 0.25 / 15, excludes long context`,
  },
  {
    providers: ["openai"],
    by: "tier",
    values: ["priority", "fast"],
    models: ["gpt-5-mini"],
    effect: 1.8,
    source: `${FAST_MODE}: 0.45 / 0.045 / 3.60 against 0.25 / 0.025 / 2`,
  },
  {
    providers: ["openai"],
    by: "tier",
    values: ["priority", "fast"],
    models: ["gpt-4-1"],
    effect: 1.75,
    source: `${FAST_MODE}: 3.50 / 0.875 / 14 against 2 / 0.50 / 8`,
  },
  {
    providers: ["openai"],
    by: "tier",
    values: ["priority", "fast"],
    models: ["gpt-5-6-sol", "gpt-5-6", "gpt-5-6-terra", "gpt-5-6-luna"],
    until: "2026-08-21",
    effect: 2,
    shortOnly: true,
    source: `${FAST_MODE}: Sol 10 / 1 / 60 against 5 / 0.50 / 30, excludes long context`,
  },
  {
    providers: ["openai"],
    by: "tier",
    values: ["priority", "fast"],
    models: ["gpt-5-6-sol", "gpt-5-6", "gpt-5-6-terra", "gpt-5-6-luna"],
    from: "2026-08-21",
    effect: 2,
    source: `${FAST_MODE}: Sol 8 / 0.80 / 40, long 16 / 1.60 / 60; that it began with the new Sol price is [inferred]`,
  },
  {
    providers: ["openai"],
    by: "tier",
    values: ["priority", "fast"],
    models: ["gpt-6-astra", "gpt-6-sol", "gpt-6-luna", "gpt-6-1-sol"],
    effect: 2,
    shortOnly: true,
    source: "fast mode 2x [secondary]; at long-context rates [unconfirmed], so unpriced there",
  },
  {
    providers: ["openai"],
    by: "tier",
    values: ["priority", "fast"],
    models: ["gpt-6-2-sol", "gpt-6-2-astra"],
    effect: 2,
    source: "developers.openai.com/api/docs/models/gpt-6.2-sol: twice the standard rate for the same context length",
  },
  // Ultrafast of every other model, GPT-6 Astra's among them, has no row: unpriced.
  {
    providers: ["openai"],
    by: "tier",
    values: ["ultrafast"],
    models: ["gpt-6-2-sol"],
    until: "2027-03-01",
    effect: 3,
    source: "developers.openai.com/api/docs/models/gpt-6.2-sol: 3x through 2027-02-28",
  },
  {
    providers: ["openai"],
    by: "tier",
    values: ["ultrafast"],
    models: ["gpt-6-2-sol"],
    from: "2027-03-01",
    effect: 6,
    source: "developers.openai.com/api/docs/models/gpt-6.2-sol: 6x from 2027-03-01",
  },
  // Gemini priority costs "75 % to 100 % more", off-peak is not published, Vertex flex neither: unpriced.
  {
    providers: ["gcp.gemini"],
    by: "tier",
    values: ["flex", "service_tier_flex", "batch"],
    effect: 0.5,
    inexact: true,
    source: "ai.google.dev/gemini-api/docs/optimization: 50 % discount; whether on cache reads too [unconfirmed]",
  },
  {
    providers: ["gcp.gemini", "gcp.vertex_ai", "gcp.gen_ai"],
    by: "tier",
    values: ["provisioned_throughput"],
    effect: "commitment",
    source: "Vertex AI provisioned throughput is paid by the week or month",
  },
  {
    providers: ["aws.bedrock"],
    by: "tier",
    values: ["reserved"],
    effect: "commitment",
    source:
      "docs.aws.amazon.com service-tiers-inference: a fixed price per 1,000 tokens a minute; overflow is standard",
  },
  // Azure's responses do not say that a deployment is provisioned (PTU): its owner gives it a price row of zero.
  // AWS publishes no number for Bedrock's flex and priority, Mistral none for priority: unpriced.
  {
    providers: ["groq"],
    by: "tier",
    values: ["flex"],
    effect: 1,
    source: "console.groq.com/docs/flex-processing: the same price as on demand",
  },
  {
    providers: ["groq"],
    by: "tier",
    values: ["performance"],
    effect: "commitment",
    source: "console.groq.com/docs/performance-tier: provisioned capacity instead of per-token usage",
  },
];

export const SEARCHES: readonly SearchRow[] = [
  { providers: ["anthropic"], perThousand: 10, source: "Anthropic docs: $10 per 1,000 searches" },
  { providers: ["openai"], perThousand: 10, source: "OpenAI price page: $10 per 1,000 calls; preview tools differ" },
];
