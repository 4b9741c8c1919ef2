import type { MeteredRow } from "../../core/metered.ts";
import { NO_USAGE, type Usage } from "../../core/usage.ts";
import type { PriceSource } from "../../pricing/price.ts";

/** What tokens of a row cost beyond others, in nano-USD for {@link PRICED_TOKENS} tokens. Zero where no price is known. */
export interface CacheRates {
  /** Input at full price beyond input that is read from the cache. */
  readonly uncached: bigint;
  /** Input that is written to the cache, for the shortest time, beyond input at full price. */
  readonly written: bigint;
}

export const PRICED_TOKENS = 1_000n;

/** The rates of the model of a row on its day, on its tier; as of a short input, where long ones cost more. */
export function cacheRates(price: PriceSource, { provider, model, tier, day }: MeteredRow): CacheRates {
  const input = Number(PRICED_TOKENS);
  const costOf = (parts: Partial<Usage>): number | undefined =>
    price({ provider, model, at: day, usage: { ...NO_USAGE, input, ...parts }, ...(tier !== "" && { tier }) })?.nanoUsd;
  const full = costOf({});
  const read = costOf({ cacheRead: input });
  const written = costOf({ cacheWrite: input });
  return { uncached: beyond(full, read), written: beyond(written, full) };
}

function beyond(more: number | undefined, less: number | undefined): bigint {
  return more === undefined || less === undefined || more <= less ? 0n : BigInt(more - less);
}
