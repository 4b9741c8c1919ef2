import type { Book } from "../../../billing/book.ts";
import type { BillLine } from "../../../billing/reconcile/reconcile.ts";
import { settle } from "../../../billing/settle.ts";
import { DAY_MS, dayOf } from "../../../billing/vendors/vendor.ts";
import type { Config } from "../../../config/config.ts";
import type { MeteredRow } from "../../../core/metered.ts";
import { VENDORS } from "../poll/access.ts";
import type { BilledCall, Known } from "./calls-file.ts";

/** What the vendors' bills say of the past. Amounts in nano-USD. */
export interface BillFacts {
  /** Days whose bill is complete. */
  days: number;
  /** What they bill above what was metered of them, below zero where it is less: calls are set to what was billed. */
  difference: number;
  /** Billed, and explained by no metered call: no cap would have stopped it. */
  ungoverned: number;
}

export interface BillOptions {
  readonly book: Book;
  readonly config: Config;
  /** In milliseconds since the epoch. */
  readonly from: number;
  readonly until: number;
  readonly now: number;
}

interface Sums {
  billed: bigint;
  metered: bigint;
}

/** Sets what each agent spent on a day at a provider to what was billed of it, where the bill of the day is complete. */
export async function applyBill(past: Known, options: BillOptions): Promise<Known & { readonly bill: BillFacts }> {
  const { book, config, from, until, now } = options;
  const bill: BillFacts = { days: 0, difference: 0, ungoverned: 0 };
  const factors = new Map<string, number>();
  const metered = async (first: number, last: number): Promise<readonly MeteredRow[]> =>
    past.metered.filter(({ day }) => day >= first && day < last);
  const days = past.metered.map(({ day }) => day);
  const begin = days.reduce((least, day) => Math.min(least, day), until);
  const known = book.vendors();
  for (const vendor of VENDORS.filter(({ name }) => known.includes(name))) {
    const aliases = config.billing?.keys ?? {};
    const own = { book, vendor, metered, aliases, discounts: config.discounts ?? [], now };
    for await (const { day, lines } of (await settle(own, Math.max(dayOf(from), begin), until)).days()) {
      if (lines.length === 0 || now < day + DAY_MS + vendor.lateMs) continue;
      bill.days += 1;
      for (const [agent, sums] of sumsByAgent(lines, bill)) {
        const factor = factorOf(sums, bill);
        for (const provider of vendor.providers) factors.set(placeOf(day, provider, agent), factor);
      }
    }
  }
  const calls = past.calls.map((call) => {
    const factor = factors.get(placeOf(call.day, call.provider, call.node.scope.agent)) ?? 1;
    return factor === 1 ? call : { ...call, usd: Math.round(call.usd * factor) };
  });
  return { ...past, calls, bill };
}

function sumsByAgent(lines: readonly BillLine[], bill: BillFacts): ReadonlyMap<string, Sums> {
  const sums = new Map<string, Sums>();
  for (const { bearer, billed, metered } of lines) {
    if (bearer === undefined) {
      bill.ungoverned += Number(billed);
      continue;
    }
    const before = sums.get(bearer.agent) ?? { billed: 0n, metered: 0n };
    sums.set(bearer.agent, { billed: before.billed + billed, metered: before.metered + metered });
  }
  return sums;
}

/** 1 where nothing of it is on the bill: then what was metered counts. */
function factorOf({ billed, metered }: Sums, bill: BillFacts): number {
  if (billed <= 0n || metered <= 0n) return 1;
  bill.difference += Number(billed - metered);
  return Number(billed) / Number(metered);
}

function placeOf(day: number, provider: BilledCall["provider"], agent: string): string {
  return JSON.stringify([day, provider, agent]);
}
