import type { FeeRow } from "./fees.ts";
import * as registry from "./overlay/registry.ts";
import type { VendorPrices } from "./overlay/vendor-prices.ts";
import type { PriceRow, TermsRow } from "./rows.ts";

const vendors: readonly VendorPrices[] = Object.values(registry);

/**
 * What the price library (`@pydantic/genai-prices` 0.1.8) lacks or has stale, and what no price library has: tiers,
 * speeds and geographies. Read on 2026-11-23. Azure's responses do not say that a deployment is provisioned (PTU): its
 * owner gives it a price row of zero. Mistral publishes no number for its priority tier: unpriced.
 */
export const OVERLAY: readonly PriceRow[] = vendors.flatMap(({ prices = [] }) => prices);

/** What tiers, speeds and geographies make of a price. */
export const TERMS: readonly TermsRow[] = vendors.flatMap(({ terms = [] }) => terms);

/** What vendors charge for searches, tools and containers. */
export const FEES: readonly FeeRow[] = vendors.flatMap(({ fees = [] }) => fees);
