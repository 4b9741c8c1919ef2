import type { ModelInfo, ModelPrice, Tier } from "@pydantic/genai-prices";
import { withRules } from "./rate-rules.ts";
import { type RateBand, type RateCard, rateBand, type UsdRates } from "./rates.ts";
import type { Times } from "./validity.ts";

/** The library's price keys and ours. `_mtok` is per million, `_kcount` per thousand. */
const PRICE_KEYS = {
  input: "input_mtok",
  output: "output_mtok",
  cacheRead: "cache_read_mtok",
  cacheWrite: "cache_write_mtok",
  cacheWrite1h: "cache_write_1h_mtok",
  reasoning: "output_reasoning_mtok",
  inputAudio: "input_audio_mtok",
  cacheReadAudio: "cache_audio_read_mtok",
  outputAudio: "output_audio_mtok",
  outputImage: "output_image_mtok",
  inputImage: "input_image_mtok",
  perThousandWebSearches: "web_searches_kcount",
  perThousandRequests: "requests_kcount",
} as const satisfies Record<keyof UsdRates, string>;

/** The rates of one model; `key` is its `modelKey`. One band per tier boundary. In the library a tier holds when the input is above its `start`. */
export function cardOf(price: ModelPrice, modelId: string, key: string): RateCard | undefined {
  // An empty list of prices means unknown; only a model that is marked as free is free.
  if (Object.keys(price).length === 0)
    return modelId.endsWith(":free") ? [rateBand({ input: 0, output: 0 })] : undefined;
  const starts = new Set<number>();
  for (const value of Object.values(price)) {
    if (typeof value === "object") for (const tier of value.tiers) starts.add(tier.start);
  }
  const bands: RateBand[] = [...starts]
    .sort((a, b) => a - b)
    .map((over) => rateBand(withRules(ratesOver(price, over), key), over));
  return [rateBand(withRules(ratesOver(price, -1), key)), ...bands];
}

/** The rates of a call whose input is just above `over`. */
export function ratesOver(price: ModelPrice, over: number): UsdRates {
  const rates: { -readonly [K in keyof UsdRates]: number } = {};
  for (const kind of Object.keys(PRICE_KEYS) as (keyof UsdRates)[]) {
    const value = price[PRICE_KEYS[kind]];
    if (value === undefined) continue;
    if (typeof value === "number") rates[kind] = value;
    else rates[kind] = byStart(value.tiers).findLast((tier) => over >= tier.start)?.price ?? value.base;
  }
  return rates;
}

function byStart(tiers: readonly Tier[]): readonly Tier[] {
  return tiers.toSorted((a, b) => a.start - b.start);
}

/** The time around `at` in which the library's choice among the model's dated prices cannot change. */
export function windowOf(model: ModelInfo, at: number): Times {
  let from = Number.NEGATIVE_INFINITY;
  let until = Number.POSITIVE_INFINITY;
  if (!Array.isArray(model.prices)) return { from, until };
  const day = Math.floor(at / DAY) * DAY;
  for (const { constraint } of model.prices) {
    if (constraint === undefined) continue;
    const edges =
      constraint.type === "start_date"
        ? [Date.parse(constraint.start_date)]
        : [day, day + timeOfDay(constraint.start_time), day + timeOfDay(constraint.end_time), day + DAY];
    for (const edge of edges) {
      // An edge that cannot be read: trust this answer for this call only.
      if (Number.isNaN(edge)) return { from: at, until: at };
      if (edge <= at) from = Math.max(from, edge);
      else until = Math.min(until, edge);
    }
  }
  return { from, until };
}

const DAY = 86_400_000;

/** Milliseconds since midnight UTC of `01:00:00Z`; NaN for other notations. */
function timeOfDay(text: string): number {
  const parts = /^(\d{2}):(\d{2}):(\d{2})Z$/.exec(text);
  return parts === null ? Number.NaN : ((Number(parts[1]) * 60 + Number(parts[2])) * 60 + Number(parts[3])) * 1000;
}
