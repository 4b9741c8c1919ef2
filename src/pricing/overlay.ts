import * as anthropic from "./overlay/anthropic.ts";
import * as openai from "./overlay/openai.ts";
import * as others from "./overlay/others.ts";
import type { PriceRow, SearchRow, TermsRow } from "./rows.ts";

/**
 * What the price library (`@pydantic/genai-prices` 0.1.8) lacks or has stale, and what no price library has: tiers,
 * speeds and geographies. Append rows, never edit one: an edit would re-price the past. A date is UTC midnight; vendors
 * do not say the hour of a change. Read on 2026-11-23; [secondary] is a third party quoting the vendor, [inferred] our
 * own conclusion, [unconfirmed] neither.
 */
export const OVERLAY: readonly PriceRow[] = [...anthropic.OVERLAY, ...openai.OVERLAY];

/** What tiers, speeds and geographies make of a price. */
export const TERMS: readonly TermsRow[] = [...anthropic.TERMS, ...openai.TERMS, ...others.TERMS];

export const SEARCHES: readonly SearchRow[] = [...anthropic.SEARCHES, ...openai.SEARCHES];
