import type { FeeRow } from "../fees.ts";
import type { PriceRow, TermsRow } from "../rows.ts";

/**
 * What the price library lacks of one vendor or has stale. To add one, write a file beside this one and give it a line in
 * `registry.ts`. Append rows, never edit one: an edit would re-price the past. A date is UTC midnight; vendors do not say
 * the hour of a change. In a row's source, [secondary] is a third party quoting the vendor, [inferred] our own
 * conclusion, [unconfirmed] neither.
 */
export interface VendorPrices {
  /** The file's name. */
  readonly name: string;
  readonly prices?: readonly PriceRow[];
  /** What tiers, speeds and geographies make of a price. */
  readonly terms?: readonly TermsRow[];
  /** What is charged for searches, tools and containers. */
  readonly fees?: readonly FeeRow[];
}
