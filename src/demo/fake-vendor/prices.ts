/** Tokens and counts as this vendor bills them. The kinds do not overlap, but for reasoning, which is part of output. */
export interface BilledTokens {
  uncached: number;
  cacheRead: number;
  cacheWrite5m: number;
  cacheWrite1h: number;
  output: number;
  reasoning: number;
  webSearches: number;
}

/** Nano-USD a token, which is USD per million tokens times 1,000: integers, so that a bill is exact. */
interface PriceRow {
  readonly model: string;
  readonly tier?: "priority";
  /** The row holds for calls of more input tokens than this. */
  readonly above?: number;
  readonly uncached: number;
  readonly cacheRead: number;
  readonly cacheWrite5m?: number;
  readonly cacheWrite1h?: number;
  readonly output: number;
}

/** Written by hand from the vendors' price pages. The first row that fits is the price. */
const PRICES: readonly PriceRow[] = [
  { model: "gpt-5", uncached: 1_250, cacheRead: 125, output: 10_000 },
  { model: "gpt-5.5", tier: "priority", uncached: 12_500, cacheRead: 1_250, output: 75_000 },
  { model: "gpt-5.5", above: 272_000, uncached: 10_000, cacheRead: 1_000, output: 45_000 },
  { model: "gpt-5.5", uncached: 5_000, cacheRead: 500, output: 30_000 },
  {
    model: "claude-opus-5",
    uncached: 5_000,
    cacheRead: 500,
    cacheWrite5m: 6_250,
    cacheWrite1h: 10_000,
    output: 25_000,
  },
  {
    model: "claude-sonnet-5",
    uncached: 2_000,
    cacheRead: 200,
    cacheWrite5m: 2_500,
    cacheWrite1h: 4_000,
    output: 10_000,
  },
  {
    model: "claude-haiku-4-5",
    uncached: 1_000,
    cacheRead: 100,
    cacheWrite5m: 1_250,
    cacheWrite1h: 2_000,
    output: 5_000,
  },
];

/** USD 10 for 1,000 searches. */
const WEB_SEARCH_NANO = 10_000_000;

/** The dated name under which a model answers. */
const SERVED: { readonly [model: string]: string } = {
  "gpt-5": "gpt-5-2025-08-07",
  "gpt-5.5": "gpt-5.5-2026-04-23",
  "claude-opus-5": "claude-opus-5",
  "claude-sonnet-5": "claude-sonnet-5",
  "claude-haiku-4-5": "claude-haiku-4-5-20251001",
};

export function noTokens(): BilledTokens {
  return { uncached: 0, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 0, reasoning: 0, webSearches: 0 };
}

export function inputOf(tokens: BilledTokens): number {
  return tokens.uncached + tokens.cacheRead + tokens.cacheWrite5m + tokens.cacheWrite1h;
}

/** The name a model answers under; undefined for a model this vendor does not have. */
export function servedModel(model: string): string | undefined {
  return Object.hasOwn(SERVED, model) ? SERVED[model] : undefined;
}

/** What a call costs by kind, in nano-USD. `model` is the name in the request, without a date. */
export function costParts(model: string, tokens: BilledTokens, tier?: string): CostParts {
  const input = inputOf(tokens);
  const row = PRICES.find(
    (price) => price.model === model && (!price.tier || price.tier === tier) && (!price.above || input > price.above),
  );
  if (row === undefined) throw new RangeError(`no price for ${model}`);
  return {
    uncached: tokens.uncached * row.uncached,
    cacheRead: tokens.cacheRead * row.cacheRead,
    cacheWrite5m: tokens.cacheWrite5m * (row.cacheWrite5m ?? row.uncached),
    cacheWrite1h: tokens.cacheWrite1h * (row.cacheWrite1h ?? row.uncached),
    output: tokens.output * row.output,
    webSearches: tokens.webSearches * WEB_SEARCH_NANO,
  };
}

/** Reasoning is output. */
export type CostParts = Readonly<Record<Exclude<keyof BilledTokens, "reasoning">, number>>;
