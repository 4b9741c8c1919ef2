import { createPrices, type PriceLibrary, type PricesOptions } from "./library.ts";
import type { PriceSource } from "./price.ts";

/** The user's own prices and discounts. */
export type OwnPrices = Pick<PricesOptions, "prices" | "discounts" | "localServers">;

/** Loads the price library, which is too big for the start of an app; the user's own prices win over it. */
export async function openPriceBook(own: OwnPrices): Promise<PriceSource> {
  return createPrices({ ...own, library: await import("@pydantic/genai-prices") });
}

/**
 * The same, synchronously, for a process that ends before the library has loaded.
 * @throws when the library cannot be found as a file, as in a bundle.
 */
export function openPriceBookNow(own: OwnPrices): PriceSource {
  return createPrices({
    ...own,
    library: process.getBuiltinModule("node:module").createRequire(import.meta.url)(
      "@pydantic/genai-prices",
    ) as PriceLibrary,
  });
}
