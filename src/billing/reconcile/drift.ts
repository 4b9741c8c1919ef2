import type { MeteredRow } from "../../core/metered.ts";
import type { Nano } from "../../core/money.ts";
import { canonicalTier, type DriftReason } from "./bill.ts";

/** What is known of one metered row that a part of the bill was charged to. */
export interface DriftFacts {
  readonly row: MeteredRow;
  readonly part: { readonly billed: Nano; readonly list: Nano | undefined; readonly charges: number };
  /** What was metered of it, in nano-USD. */
  readonly cost: Nano;
  /** Every kind of token of the row is on the bill. */
  readonly complete: boolean;
  /** The vendor may still add to the day. */
  readonly open: boolean;
  /** The vendor has not counted all of the row's requests, or does not count. */
  readonly waiting: boolean;
  /** The metered cost already includes the account's discounts. */
  readonly discounted: boolean;
  /** The vendor's bill does not contain the row's tier. */
  readonly unbilled: boolean;
}

/** Vendors write amounts with eight places and more; so a charge is off by at most half of the last place. */
const ROUNDING_NANO = 10n;

/** Why what was billed differs from what was metered. The amounts add up to the difference. */
export function driftReasons(facts: DriftFacts): readonly (readonly [DriftReason, Nano])[] {
  const { row, part, cost } = facts;
  const off = part.billed - cost;
  if (off === 0n) return [];
  const whole = wholeReason(facts, off);
  if (whole !== undefined) return [[whole, off]];
  const discount = discountOf(facts);
  const rest = off - discount;
  return [...named("discount", discount), ...named(restReason(row, part.charges, rest), rest)];
}

function named(reason: DriftReason, nano: Nano): readonly (readonly [DriftReason, Nano])[] {
  return nano === 0n ? [] : [[reason, nano]];
}

/** The reason that explains the whole difference, if there is one. */
function wholeReason({ part, complete, open, waiting, unbilled }: DriftFacts, off: Nano): DriftReason | undefined {
  if (unbilled) return "tier";
  if (part.charges === 0 || (!complete && off < 0n)) return open ? "late" : "not_billed";
  return open && waiting && off < 0n ? "late" : undefined;
}

/** The vendor's own discount, unless the metered cost is nearer to the discounted amount. */
function discountOf({ part, cost, discounted }: DriftFacts): Nano {
  if (part.list === undefined || discounted) return 0n;
  const discount = part.billed - part.list;
  return distance(part.list, cost) <= distance(part.billed, cost) ? discount : 0n;
}

function restReason(row: MeteredRow, charges: number, rest: Nano): DriftReason {
  const { quality, priced, tier, webSearches } = row;
  if (quality !== "reported" && quality !== "settled") return "estimated";
  if (priced === "false") return "unpriced";
  if (distance(rest, 0n) <= BigInt(charges) * ROUNDING_NANO) return "rounding";
  if (webSearches > 0) return "tools";
  if (priced === "inexact" || priced === "partial") return "inexact";
  return canonicalTier(tier) === "standard" ? "price" : "tier";
}

function distance(a: Nano, b: Nano): Nano {
  return a > b ? a - b : b - a;
}
