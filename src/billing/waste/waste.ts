import type { MeteredRow } from "../../core/metered.ts";
import { type Nano, splitNano } from "../../core/money.ts";
import { OUTCOME_TAG, readTags, WASTE_TAG } from "../../core/tags/tags.ts";
import { FAILED, RETRIED, WORK_PROVIDER } from "../../core/work/work.ts";
import type { PriceSource } from "../../pricing/price.ts";
import type { Grouping } from "../report.ts";
import { type CacheRates, cacheRates, PRICED_TOKENS } from "./rates.ts";

/**
 * Why money bought nothing. Each nano-dollar has one cause, the first of these that applies: the call was given up
 * (`canceled`) or broke off (`failed`); the same request was answered before (`repeated`); the work that it was for failed, or failed and was begun again; input was written to a
 * cache and never read from it, or could have been read from one.
 */
export const CAUSES = [
  "canceled",
  "failed",
  "repeated",
  "failed_work",
  "retried_work",
  "unread_cache",
  "uncached",
] as const;
export type Cause = (typeof CAUSES)[number];

export interface Wasted {
  /** Nano-USD. */
  cost: Nano;
  /** Calls whose whole cost it is; 0 for the causes that are a part of a call's cost. */
  calls: number;
}

/** What a group has spent, and what of it bought nothing. Amounts in nano-USD, as they were metered. */
export interface WasteRow {
  readonly by: Readonly<Partial<Record<Grouping, string>>>;
  spent: Nano;
  /** Calls of the group. */
  calls: number;
  readonly causes: Readonly<Record<Cause, Wasted>>;
  /** Wasted calls without a known cost, which are in no amount. */
  unpriced: number;
}

export interface WasteReport {
  /** Adds all rows of one day. */
  add(rows: readonly MeteredRow[]): void;
  /** The largest waste first. */
  readonly rows: readonly WasteRow[];
}

export function createWasteReport(by: readonly Grouping[], price: PriceSource): WasteReport {
  const groups = new Map<string, WasteRow>();
  const rates = new Map<string, CacheRates>();
  const rowFor = (row: MeteredRow): WasteRow => groupOf(groups, by, row);
  const ratesOf = (row: MeteredRow): CacheRates => {
    const id = JSON.stringify([row.provider, row.model, row.tier, row.day]);
    const known = rates.get(id) ?? cacheRates(price, row);
    rates.set(id, known);
    return known;
  };
  return {
    add(rows) {
      const paid = rows.filter(({ provider, priced }) => provider !== WORK_PROVIDER && priced !== "plan");
      for (const row of paid) addRow(rowFor(row), row, ratesOf);
      for (const [row, cost] of unreadOf(
        paid.filter((one) => causeOf(one) === undefined),
        ratesOf,
      ))
        rowFor(row).causes.unread_cache.cost += cost;
    },
    get rows() {
      return [...groups.values()].sort(byWaste);
    },
  };
}

/** The sum of all rows. */
export function totalWaste(rows: readonly WasteRow[]): WasteRow {
  const all = newRow({});
  for (const { spent, calls, causes, unpriced } of rows) {
    all.spent += spent;
    all.calls += calls;
    all.unpriced += unpriced;
    for (const cause of CAUSES) {
      all.causes[cause].cost += causes[cause].cost;
      all.causes[cause].calls += causes[cause].calls;
    }
  }
  return all;
}

/** Nano-USD of all causes. */
export function wastedOf({ causes }: WasteRow): Nano {
  return CAUSES.reduce((sum, cause) => sum + causes[cause].cost, 0n);
}

function addRow(into: WasteRow, row: MeteredRow, ratesOf: (row: MeteredRow) => CacheRates): void {
  const cost = BigInt(row.cost);
  into.spent += cost;
  into.calls += row.calls;
  const cause = causeOf(row);
  if (cause === undefined) return;
  if (cause === "uncached") {
    into.causes.uncached.cost += (BigInt(row.inputUncached) * ratesOf(row).uncached) / PRICED_TOKENS;
    return;
  }
  into.causes[cause].cost += cost;
  into.causes[cause].calls += row.calls;
  if (row.priced === "none" || row.priced === "false") into.unpriced += row.calls;
}

/** Why a row bought nothing; undefined where it did. */
function causeOf({ tags }: MeteredRow): Exclude<Cause, "unread_cache"> | undefined {
  const { [WASTE_TAG]: waste, [OUTCOME_TAG]: outcome } = readTags(tags);
  if (waste === "canceled" || waste === "failed" || waste === "repeated") return waste;
  if (outcome === FAILED) return "failed_work";
  if (outcome === RETRIED) return "retried_work";
  return waste === "uncached" ? waste : undefined;
}

/**
 * What was written to caches of a day, a model and a key beyond what was read from them: so much at least was never read.
 * It is charged to the rows that wrote more than they read, by how much more.
 */
function unreadOf(
  rows: readonly MeteredRow[],
  ratesOf: (row: MeteredRow) => CacheRates,
): readonly (readonly [row: MeteredRow, cost: Nano])[] {
  const caches = Map.groupBy(rows, ({ day, provider, model, key }) => JSON.stringify([day, provider, model, key]));
  return [...caches.values()].flatMap((sharing) => {
    const unread = sharing.reduce((sum, { cacheWrite, cacheRead }) => sum + cacheWrite - cacheRead, 0);
    if (unread <= 0) return [];
    const weights = sharing.map(({ cacheWrite, cacheRead }) => BigInt(Math.max(0, cacheWrite - cacheRead)));
    const tokens = splitNano(BigInt(unread), weights);
    return sharing.map((row, index) => [row, ((tokens[index] ?? 0n) * ratesOf(row).written) / PRICED_TOKENS] as const);
  });
}

function groupOf(groups: Map<string, WasteRow>, by: readonly Grouping[], row: MeteredRow): WasteRow {
  const { agent, rootAgent, team, project, key, model, provider, day } = row;
  const all: Readonly<Record<string, string>> = {
    ...readTags(row.tags),
    ...{ agent, root_agent: rootAgent, team, project, key, model, vendor: provider },
    day: new Date(day).toISOString().slice(0, 10),
  };
  const names = Object.fromEntries(by.map((name) => [name, all[name] ?? ""]));
  const id = JSON.stringify(names);
  const known = groups.get(id) ?? newRow(names);
  groups.set(id, known);
  return known;
}

function newRow(by: WasteRow["by"]): WasteRow {
  const causes = Object.fromEntries(CAUSES.map((cause) => [cause, { cost: 0n, calls: 0 }]));
  return { by, spent: 0n, calls: 0, causes: causes as Record<Cause, Wasted>, unpriced: 0 };
}

function byWaste(a: WasteRow, b: WasteRow): number {
  const [one, other] = [wastedOf(a), wastedOf(b)];
  if (one !== other) return one > other ? -1 : 1;
  if (a.spent !== b.spent) return a.spent > b.spent ? -1 : 1;
  return JSON.stringify(a.by) < JSON.stringify(b.by) ? -1 : 1;
}
