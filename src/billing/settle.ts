import type { Discount } from "../core/config-types.ts";
import type { MeteredRow } from "../core/metered.ts";
import { withoutWaste } from "../core/work/waste.ts";
import type { Book } from "./book.ts";
import { type Names, readNames } from "./names.ts";
import { type BillLine, reconcile } from "./reconcile/reconcile.ts";
import { DAY_MS, dayOf, type Vendor, type VendorName } from "./vendors/vendor.ts";

/** Metered rows of the days that begin in [from, until), from our store or from Datadog. */
export type MeteredSource = (from: number, until: number) => Promise<readonly MeteredRow[]>;

export interface Settlement {
  /** Start of the UTC day. */
  readonly day: number;
  readonly lines: readonly BillLine[];
}

export interface SettleOptions {
  readonly book: Book;
  readonly vendor: Vendor;
  readonly metered: MeteredSource;
  /** The vendor's key ids or names, and what the same keys are called in the meter. */
  readonly aliases: Readonly<Record<string, string>>;
  /** The configured discounts: the metered cost already includes them. */
  readonly discounts: readonly Discount[];
  readonly now: number;
}

/** The bill of some days, reconciled with the metered spend one day at a time. */
export interface Settling {
  readonly names: Names;
  days(): AsyncIterable<Settlement>;
}

/** @param from any moment of the first day; `until` is exclusive */
export async function settle(options: SettleOptions, from: number, until: number): Promise<Settling> {
  const { book, vendor, now } = options;
  const known = book.fact<readonly VendorName[]>(vendor.name, "names") ?? [];
  const first = dayOf(from);
  const names = readNames(known, await meteredKeys(options, first, until), options.aliases);

  const discounted = options.discounts.some(
    ({ provider }) => provider === undefined || vendor.providers.includes(provider),
  );

  async function settleDay(day: number): Promise<Settlement> {
    const rows = book.rows(vendor.name, day, day + DAY_MS);
    const lines = reconcile({
      charges: rows.flatMap((row) => vendor.charge(row) ?? []),
      usages: rows.flatMap((row) => vendor.usage(row) ?? []),
      metered: await meteredOn(options, day),
      links: names.links,
      unbilledTiers: vendor.unbilledTiers,
      open: now < day + DAY_MS + vendor.lateMs,
      discounted,
    });
    return { day, lines };
  }

  return {
    names,
    async *days() {
      for (let day = first; day < until; day += DAY_MS) yield await settleDay(day);
    },
  };
}

/** Without calls on subscriptions, which are on no bill, and without what is said of waste, of which a bill knows nothing. */
async function meteredOn({ metered, vendor }: SettleOptions, day: number): Promise<readonly MeteredRow[]> {
  const rows = await metered(day, day + DAY_MS);
  return withoutWaste(rows.filter(({ provider, priced }) => vendor.providers.includes(provider) && priced !== "plan"));
}

/** Key names seen on any day, so that a key without calls today is still recognised. */
async function meteredKeys(options: SettleOptions, from: number, until: number): Promise<ReadonlySet<string>> {
  const { book, vendor } = options;
  const keys = new Set(book.fact<readonly string[]>(vendor.name, "metered keys") ?? []);
  const before = keys.size;
  for (let day = from; day < until; day += DAY_MS)
    for (const { key } of await meteredOn(options, day)) if (key !== "") keys.add(key);
  if (keys.size > before) book.putFact(vendor.name, "metered keys", [...keys].sort());
  return keys;
}
