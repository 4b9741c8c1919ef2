import { createRequire } from "node:module";
import type { Config } from "../config/config.ts";
import { createPrices, type PriceLibrary } from "./library.ts";
import type { PriceSource } from "./price.ts";

/** Loads the price library, which is too big for the start of an app, and lays the user's own prices over it. */
export async function openPriceBook(config: Config): Promise<PriceSource> {
  return layOver(config, await import("@pydantic/genai-prices"));
}

/**
 * The same at once, for a process that ends before the library has come.
 * @throws where the library is not to be found as a file, as in a bundle.
 */
export function openPriceBookNow(config: Config): PriceSource {
  return layOver(config, createRequire(import.meta.url)("@pydantic/genai-prices") as PriceLibrary);
}

function layOver({ prices, discounts }: Config, library: PriceLibrary): PriceSource {
  return createPrices({ library, ...(prices && { prices }), ...(discounts && { discounts }) });
}
