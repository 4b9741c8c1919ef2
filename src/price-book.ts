import type { Config } from "./config.ts";
import type { PriceSource } from "./core/price.ts";
import { createPrices } from "./meter/prices.ts";

/** Loads the price library, which is too big for the start of an app, and lays the user's own prices over it. */
export async function openPriceBook({ prices, discounts }: Config): Promise<PriceSource> {
  const library = await import("@pydantic/genai-prices");
  return createPrices({ library, ...(prices && { prices }), ...(discounts && { discounts }) });
}
