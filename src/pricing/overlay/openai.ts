import type { FeeRow } from "../fees.ts";
import type { PriceRow, TermsRow } from "../rows.ts";
import type { VendorPrices } from "./vendor-prices.ts";

const GPT6_LONG = "over 272K input tokens input and cache rates double and output is 1.5x, for the whole request";
const FAST_MODE = "openai.com/api-fast-mode (priority processing until 2026-07-30)";

const prices: readonly PriceRow[] = [
  {
    // 272,000 tokens at 2 are $0.544; 272,001 at 4 are $1.088004. A 12-hour cache write costs 2x the write rate, and
    // usage does not show which writes those were: they are charged as 30-minute ones.
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
  // The search models of chat completions; their fee is among the fees.
  {
    providers: ["openai"],
    model: "gpt-4o-mini-search-preview",
    rates: { input: 0.15, output: 0.6 },
    source: "OpenAI price page: the rates of gpt-4o-mini, without caching [secondary]",
  },
  {
    providers: ["openai"],
    model: "gpt-5-search-api",
    rates: { input: 1.25, output: 10, cacheRead: 0.125 },
    source: "OpenAI price page: the rates of gpt-5 [secondary]",
  },
];

const RESIDENCY = "developers.openai.com/api/docs/guides/data-residency: 10 % for models since 2026-03-05";

const terms: readonly TermsRow[] = [
  // GPT-5.4 was the first that pays the uplift; what is newer than these rows pays it too.
  {
    providers: ["openai"],
    by: "geo",
    values: ["regional"],
    families: ["gpt-5-4", "gpt-5-5", "gpt-5-6"],
    effect: 1.1,
    source: RESIDENCY,
  },
  {
    providers: ["openai"],
    by: "geo",
    values: ["regional"],
    families: [
      ...["gpt-3", "gpt-4", "gpt-5", "o1", "o3", "o4", "chatgpt-4", "ft:gpt-3", "ft:gpt-4", "codex", "computer-use"],
      ...["text-embedding", "gpt-audio", "gpt-realtime", "gpt-image-1", "gpt-oss"],
    ],
    effect: 1,
    source: `${RESIDENCY}; these are older`,
  },
  { providers: ["openai"], by: "geo", values: ["regional"], effect: 1.1, source: RESIDENCY },
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
];

const TOOLS_PAGE = "OpenAI price page, built-in tools";

const CONTAINER = "auto mode goes on in a container that an earlier call has paid, which no answer shows";

const WHISPER = "$0.006 a minute [unconfirmed]";
const fees: readonly FeeRow[] = [
  { providers: ["openai"], families: ["whisper-1"], part: "transcription_seconds", perThousand: 0.1, source: WHISPER },
  {
    providers: ["openai"],
    part: "web_search",
    perThousand: 10,
    source: `${TOOLS_PAGE}: $10 per 1,000 calls, of action search only`,
  },
  {
    providers: ["openai"],
    families: ["gpt-4"],
    part: "web_search_preview",
    perThousand: 25,
    source: `${TOOLS_PAGE}: $25 per 1,000 calls of the preview tool with models that do not reason`,
  },
  {
    providers: ["openai"],
    part: "web_search_preview",
    perThousand: 10,
    source: `${TOOLS_PAGE}: $10 per 1,000 calls of the preview tool with models that reason`,
  },
  {
    providers: ["openai"],
    families: ["gpt-4o-search", "gpt-4o-mini-search"],
    part: "request",
    perThousand: 25,
    source: `${TOOLS_PAGE}: each call of these models is a search; $25 per 1,000, the preview tool's [inferred]`,
  },
  {
    providers: ["openai"],
    families: ["gpt-5-search"],
    part: "request",
    perThousand: 10,
    source: `${TOOLS_PAGE}: each call of these models is a search; $10 per 1,000 [inferred]`,
  },
  {
    providers: ["openai"],
    part: "file_search",
    perThousand: 2.5,
    source: `${TOOLS_PAGE}: $2.50 per 1,000 calls; storage is billed by the day`,
  },
  {
    providers: ["openai"],
    part: "code_container",
    perThousand: 30,
    unless: "code_container_reuse",
    source: `${TOOLS_PAGE}: $0.03 a session of 1 GB; ${CONTAINER}`,
  },
  {
    providers: ["openai"],
    part: "code_container_4g",
    perThousand: 120,
    unless: "code_container_reuse",
    source: `${TOOLS_PAGE}: $0.12 a session of 4 GB [unconfirmed]; ${CONTAINER}`,
  },
  {
    providers: ["openai"],
    part: "code_container_16g",
    perThousand: 480,
    unless: "code_container_reuse",
    source: `${TOOLS_PAGE}: $0.48 a session of 16 GB [unconfirmed]; ${CONTAINER}`,
  },
  {
    providers: ["openai"],
    part: "code_container_64g",
    perThousand: 1920,
    unless: "code_container_reuse",
    source: `${TOOLS_PAGE}: $1.92 a session of 64 GB [unconfirmed]; ${CONTAINER}`,
  },
];

export const openai: VendorPrices = { name: "openai", prices, terms, fees };
