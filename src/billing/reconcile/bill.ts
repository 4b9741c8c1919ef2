import type { Nano } from "../../core/money.ts";

/**
 * One line of a vendor's report, as it was read. Vendors restate their lines, so money and counts are values of a line
 * and never part of its identity.
 */
export interface BillRow {
  /** The report and the width of its buckets: `costs 1d`. */
  readonly report: string;
  /** Start of the bucket, in milliseconds since the epoch. */
  readonly start: number;
  /** The vendor's own dimensions; a null one is an empty string, one that was not requested is absent. */
  readonly dims: Readonly<Record<string, string>>;
  /** Absent on a line about usage. */
  readonly nano?: Nano | undefined;
  /** Before the account's discount, where the vendor reports it. */
  readonly listNano?: Nano | undefined;
  /** Tokens, requests and so on, by the vendor's own names. */
  readonly counts?: Readonly<Record<string, number>>;
}

/** What is billed by the piece and is also reported by calls. */
export const METERED_TYPES = ["input_uncached", "cache_read", "cache_write", "output", "web_search"] as const;
export type MeteredType = (typeof METERED_TYPES)[number];

/** `tokens` is all kinds of tokens in one amount, `other` is what no call reports: storage, sessions, seats. */
export type ChargeType = MeteredType | "tokens" | "other";

/** An amount that a vendor bills for a day. */
export interface Charge {
  /** Start of the UTC day, in milliseconds since the epoch. */
  readonly day: number;
  /** The vendor's ids; empty where the vendor reports none. */
  readonly project: string;
  /** Undefined where the vendor does not report it. */
  readonly key: string | undefined;
  readonly model: string;
  /** Undefined where the vendor does not distinguish tiers. */
  readonly tier: string | undefined;
  readonly type: ChargeType;
  readonly nano: Nano;
  readonly listNano?: Nano | undefined;
  /** Tokens, or pieces, that the amount is for. */
  readonly quantity?: number | undefined;
}

/** A vendor's usage counts of a day, without money. */
export interface VendorUsage {
  readonly day: number;
  readonly project: string;
  readonly key: string | undefined;
  readonly model: string;
  readonly tier: string | undefined;
  readonly counts: Readonly<Partial<Record<MeteredType, number>>>;
  /** Undefined where the vendor does not count them. */
  readonly requests: number | undefined;
}

/** The canonical name of a tier; ordinary ones are `standard`. */
export function canonicalTier(tier: string): string {
  const name = tier.trim().toLowerCase();
  if (PLAIN.has(name)) return "standard";
  // Renamed by the vendor, which still reports the old name.
  if (name === "fast" || name === "priority_on_demand") return "priority";
  return name === "flex_discount" ? "flex" : name;
}

const PLAIN: ReadonlySet<string> = new Set(["", "default", "auto", "standard", "standard_only", "on_demand"]);

/** Why an amount that was billed differs from what was metered for the same calls. */
export const DRIFT_REASONS = [
  /** Calls whose model has no known price here. */
  "unpriced",
  /** The account's discount, where the vendor reports it. */
  "discount",
  /** A service tier that the vendor bills elsewhere or otherwise. */
  "tier",
  /** Interrupted calls, whose usage is estimated or unknown. */
  "estimated",
  /** Metered already, and not yet on the bill. */
  "late",
  /** Metered, and not on the bill of a day that is complete. */
  "not_billed",
  /** The list price of calls on a subscription's login, which are on no bill. */
  "plan",
  /** Pieces that are billed beside the tokens, and differ. */
  "tools",
  /** The price of a similar model stood in, or a part had none. */
  "inexact",
  /** The vendor's amounts have fewer decimal places than nano-dollars. */
  "rounding",
  /** None of the above: our price differs from the vendor's. */
  "price",
] as const;
export type DriftReason = (typeof DRIFT_REASONS)[number];

/** Why a billed amount is ungoverned. */
export const UNGOVERNED_REASONS = [
  /** Tokens or requests beyond what was metered. */
  "unmetered",
  /** Batches run from files, and no metered call reports them. */
  "batch",
  /** Storage, sessions and other things that no call reports. */
  "tools",
  /** A negative amount: a credit or a refund of the vendor. */
  "credit",
] as const;
export type UngovernedReason = (typeof UNGOVERNED_REASONS)[number];
