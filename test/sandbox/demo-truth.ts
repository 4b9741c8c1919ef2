import { windowStart } from "../../src/core/ledger.ts";
import type { MeteredRow } from "../../src/core/metered.ts";
import { WORK_PROVIDER } from "../../src/core/work/work.ts";
import { discounted, isClaude } from "../../src/demo/fake-vendor/billing-account.ts";
import { historyStart } from "../../src/demo/history/history.ts";
import { pastCallsOf } from "../../src/demo/history/past-calls.ts";
import { billOf, chargeOf, settledOf } from "../../src/demo/history/past-records.ts";
import { beginningOf } from "../../src/demo/stand-in.ts";
import { CHARGE_PROVIDER } from "../../src/pricing/charge.ts";
import { openPriceBook } from "../../src/pricing/open.ts";

const DAY_S = 86_400;

/** Spend at a moment, in USD. Texts that are absent are empty. */
export interface Spend {
  /** Seconds. */
  readonly at: number;
  readonly usd: number;
  readonly tokens: number;
  readonly calls: number;
  readonly agent: string;
  readonly rootAgent: string;
  readonly team: string;
  readonly project: string;
  readonly model: string;
  readonly quality: string;
}

/** A vendor's charge for a past call. */
export interface Billed {
  readonly at: number;
  readonly usd: number;
  readonly agent: string;
  readonly team: string;
  readonly vendor: string;
  readonly governed: boolean;
}

/** What the demo's dashboards have to show, of its ledger and its vendor's prices: never of its metrics. */
export interface Truth {
  readonly calls: readonly Spend[];
  readonly charges: readonly Spend[];
  /** Of past days only. */
  readonly bill: readonly Billed[];
  /** The poller's figures for what the demo itself spent, as it printed them. */
  readonly live: { readonly billed: number; readonly ungoverned: number };
}

export interface TimeSpan {
  readonly from: number;
  readonly to: number;
}

/**
 * @param rows All that the demo's store has.
 * @param out What it printed.
 * @throws when past days in the store are not what was made up for them.
 */
export async function truthOf(rows: readonly MeteredRow[], out: string, now: number): Promise<Truth> {
  const today = windowStart("day", beginningOf(now) * 1_000);
  const price = await openPriceBook({});
  const calls: Spend[] = [];
  const charges: Spend[] = [];
  const bill: Billed[] = [];
  for (let day = historyStart(today); day < today; day += DAY_S * 1_000) {
    for (const call of pastCallsOf(day)) {
      const at = call.at / 1_000;
      const { agent, rootAgent, team = "" } = call;
      const billed = billOf(call);
      const usd = isClaude(billed)
        ? Object.values(billed.parts).reduce((sum, part) => sum + discounted(part), 0)
        : billed.cost;
      const vendor = isClaude(billed) ? "Anthropic" : "OpenAI";
      bill.push({ at, usd: usd / 1e9, agent, team, vendor: `${vendor} by spendfuse`, governed: call.metered });
      if (!call.metered) continue;
      const { settled } = settledOf(call, price);
      const { usage, costUsd = Number.NaN, model, quality } = settled;
      const who = { at, agent, rootAgent, team, project: "demo" };
      calls.push({
        ...who,
        usd: costUsd,
        tokens: (usage?.input ?? 0) + (usage?.output ?? 0),
        calls: 1,
        model,
        quality,
      });
      const charge = chargeOf(call);
      if (charge !== undefined)
        charges.push({
          ...who,
          usd: charge.costNano / 1e9,
          tokens: 0,
          calls: 0,
          model: charge.what,
          quality: "reported",
        });
    }
    compareDay(rows, day, [...calls, ...charges]);
  }
  const recent = rows.filter(({ day, provider }) => day >= today && provider !== WORK_PROVIDER);
  return {
    calls: [...calls, ...recent.filter(({ provider }) => provider !== CHARGE_PROVIDER).map(spendOf)],
    charges: [...charges, ...recent.filter(({ provider }) => provider === CHARGE_PROVIDER).map(spendOf)],
    bill,
    live: { billed: printed(out, "all governed"), ungoverned: printed(out, "(ungoverned)") },
  };
}

function compareDay(rows: readonly MeteredRow[], day: number, spends: readonly Spend[]): void {
  const stored = rows.reduce((sum, row) => sum + (row.day === day ? row.cost : 0), 0);
  const made = spends.reduce((sum, { at, usd }) => sum + (windowStart("day", at * 1_000) === day ? usd : 0), 0);
  if (stored === 0 || Math.abs(stored / 1e9 - made) > 1e-6)
    throw new Error(`the store has ${stored / 1e9} of ${new Date(day).toISOString()}, not ${made}`);
}

/** A row of the demo itself, which is of today: all of it lies in every span that ends now. */
function spendOf(row: MeteredRow): Spend {
  const { agent, rootAgent, team, project, model, quality, calls } = row;
  const tokens = row.inputUncached + row.cacheRead + row.cacheWrite + row.output;
  const at = Number.POSITIVE_INFINITY;
  return { at, usd: row.cost / 1e9, tokens, calls, ...{ agent, rootAgent, team, project, model, quality } };
}

function printed(out: string, name: string): number {
  return Number(
    out
      .split("\n")
      .find((line) => line.startsWith(name))
      ?.match(/\$([\d.]+)/)?.[1],
  );
}

/** What lies in a span that ends now, or some seconds earlier; the demo's own only in the former. */
export function within<T extends { readonly at: number }>(
  rows: readonly T[],
  { from, to }: TimeSpan,
  earlier = 0,
): readonly T[] {
  return rows.filter(({ at }) => {
    if (at === Number.POSITIVE_INFINITY) return earlier === 0;
    return at >= from - earlier && at < to - earlier;
  });
}

/** Points of a bill are at the beginnings of days. */
export function daysWithin(rows: readonly Billed[], { from, to }: TimeSpan, earlier = 0): readonly Billed[] {
  return rows.filter(({ at }) => {
    const day = Math.floor(at / DAY_S) * DAY_S;
    return day >= Math.floor(from / DAY_S) * DAY_S - earlier && day < to - earlier;
  });
}

export function sum<T extends { readonly usd: number }>(
  rows: readonly T[],
  of: (row: T) => number = ({ usd }) => usd,
): number {
  return rows.reduce((total, row) => total + of(row), 0);
}

/** Seconds from a moment back to the same time of the month before, where a span begins there. */
export function monthBefore({ from }: TimeSpan): number {
  const date = new Date(from * 1_000);
  return from - Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - 1, date.getUTCDate()) / 1_000;
}
