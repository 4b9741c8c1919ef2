import type { MeteredRow, MeteredSums } from "../../core/metered.ts";
import { modelKey } from "../../pricing/model-id.ts";
import {
  type Charge,
  type ChargeType,
  canonicalTier,
  METERED_TYPES,
  type MeteredType,
  type VendorUsage,
} from "./bill.ts";

/** The bill of one vendor for one UTC day. */
export interface DayBill {
  readonly charges: readonly Charge[];
  readonly usages: readonly VendorUsage[];
  /** The metered name of a vendor's key, for the keys where it is known. */
  readonly links: ReadonlyMap<string, string>;
  /** Tiers that this vendor's bill may not contain, by their canonical names. */
  readonly unbilledTiers: ReadonlySet<string>;
}

/** Amounts of one kind, and the calls that may have caused them: the finest grain that both sides share. */
export interface Cell {
  readonly type: ChargeType;
  readonly batch: boolean;
  readonly charges: readonly Charge[];
  readonly rows: readonly MeteredRow[];
  /** What the amounts are for, in tokens or pieces; undefined when the vendor does not report it. */
  readonly quantity: number | undefined;
  /** Requests that the vendor counted and we did not; undefined when the vendor does not count. */
  readonly unseen: number | undefined;
}

const COUNT_OF: Readonly<Record<MeteredType, keyof MeteredSums>> = {
  input_uncached: "inputUncached",
  cache_read: "cacheRead",
  cache_write: "cacheWrite",
  output: "output",
  web_search: "webSearches",
};
const TOKEN_KINDS = METERED_TYPES.filter((type) => type !== "web_search");
/** Calls whose key maps to no vendor key, and amounts of vendor keys that map to no call. */
const POOL = "*";

/** A row's count of one kind: tokens, or pieces. */
export function countOf(row: MeteredSums, type: ChargeType): number {
  if (type === "other") return 0;
  if (type !== "tokens") return row[COUNT_OF[type]];
  return TOKEN_KINDS.reduce((sum, kind) => sum + row[COUNT_OF[kind]], 0);
}

/** Puts every charge into exactly one cell, and every row into the cells it may have caused. */
export function buildCells(bill: DayBill, metered: readonly MeteredRow[]): readonly Cell[] {
  const groupOf = createGroups(bill);
  const unbilled = unbilledTiers(bill);
  const rows = metered.filter(({ tier }) => !unbilled.has(canonicalTier(tier)));
  const rowsByGroup = Map.groupBy(rows, groupOf.row);
  const usagesByGroup = Map.groupBy(bill.usages, ({ key }) => groupOf.key(key));
  const cells: Cell[] = [];
  for (const [group, charges] of Map.groupBy(bill.charges, ({ key }) => groupOf.key(key))) {
    const own = rowsByGroup.get(group) ?? [];
    const usages = usagesByGroup.get(group) ?? [];
    for (const [kind, some] of Map.groupBy(charges, kindOf)) {
      if (kind === "search") cells.push(searchCell(some, usages, own));
      else if (kind === "tokens") cells.push(...tokenCells(some, usages, own));
      else for (const charge of some) cells.push(cellWithoutCalls(charge, kind === "batch"));
    }
  }
  return cells;
}

/** Tiers that are not on this bill at all: their calls explain none of it. */
export function unbilledTiers(bill: DayBill): ReadonlySet<string> {
  const billed = new Set(bill.charges.map(({ tier }) => canonicalTier(tier ?? "")));
  return new Set([...bill.unbilledTiers].filter((tier) => !billed.has(tier)));
}

function kindOf({ type, tier }: Charge): "batch" | "search" | "other" | "tokens" {
  if (tier !== undefined && canonicalTier(tier) === "batch") return "batch";
  if (type === "web_search") return "search";
  return type === "other" ? "other" : "tokens";
}

function cellWithoutCalls(charge: Charge, batch: boolean): Cell {
  return { type: charge.type, batch, charges: [charge], rows: [], quantity: charge.quantity, unseen: undefined };
}

/** A search costs the same with every model. */
function searchCell(charges: readonly Charge[], usages: readonly VendorUsage[], rows: readonly MeteredRow[]): Cell {
  const searching = rows.filter(({ webSearches }) => webSearches > 0);
  return {
    type: "web_search",
    batch: false,
    charges,
    rows: searching,
    quantity: quantityOf(charges, usages, "web_search"),
    unseen: undefined,
  };
}

function tokenCells(
  charges: readonly Charge[],
  usages: readonly VendorUsage[],
  rows: readonly MeteredRow[],
): readonly Cell[] {
  const cells: Cell[] = [];
  const rowsByModel = Map.groupBy(rows, ({ model }) => modelKey(model));
  const usagesByModel = Map.groupBy(usages, ({ model }) => modelKey(model));
  for (const [model, some] of Map.groupBy(charges, (charge) => modelKey(charge.model))) {
    const own = rowsByModel.get(model) ?? [];
    const counted = usagesByModel.get(model) ?? [];
    const grain = chooseGrain(some, own);
    const rowsOf = Map.groupBy(own, (row) => grain.place(row.model, row.tier));
    const usagesOf = Map.groupBy(counted, (usage) => grain.place(usage.model, usage.tier));
    const chargesOf = Map.groupBy(some, (charge) => grain.place(charge.model, charge.tier));
    for (const [place, here] of chargesOf) {
      const callers = rowsOf.get(place) ?? [];
      // Batches are requests too, but unmetered.
      const used = (usagesOf.get(place) ?? []).filter(
        ({ tier }) => tier === undefined || canonicalTier(tier) !== "batch",
      );
      const unseen = unseenOf(used, callers);
      for (const [type, alike] of Map.groupBy(here, (charge) => (grain.split ? charge.type : "tokens"))) {
        const quantity = quantityOf(alike, used, type);
        cells.push({ type, batch: false, charges: alike, rows: callers, quantity, unseen });
      }
    }
  }
  return cells;
}

interface Grain {
  /** Kinds of tokens are billed one by one. */
  readonly split: boolean;
  place(model: string, tier: string | undefined): string;
}

/**
 * Snapshots of a model, and tiers, are separated where both the bill and the calls separate them. A bill that names
 * tiers names those that are special.
 */
function chooseGrain(charges: readonly Charge[], rows: readonly MeteredRow[]): Grain {
  const models = new Set(charges.map(({ model }) => model.toLowerCase()));
  const byModel = rows.every(({ model }) => models.has(model.toLowerCase()));
  const named = charges.some(({ tier }) => tier !== undefined);
  const tiers = new Set(charges.map(({ tier }) => canonicalTier(tier ?? "")));
  const byTier = named && rows.every(({ tier }) => tiers.has(canonicalTier(tier)));
  return {
    split: charges.every(({ type }) => type !== "tokens"),
    place: (model, tier) => `${byModel ? model.toLowerCase() : ""} ${byTier ? canonicalTier(tier ?? "") : ""}`,
  };
}

function quantityOf(charges: readonly Charge[], usages: readonly VendorUsage[], type: ChargeType): number | undefined {
  if (charges.every(({ quantity }) => quantity !== undefined))
    return charges.reduce((sum, { quantity = 0 }) => sum + quantity, 0);
  let sum: number | undefined;
  for (const { counts } of usages) {
    for (const kind of type === "tokens" ? TOKEN_KINDS : [type as MeteredType]) {
      const count = counts[kind];
      if (count !== undefined) sum = (sum ?? 0) + count;
    }
  }
  return sum;
}

function unseenOf(usages: readonly VendorUsage[], rows: readonly MeteredRow[]): number | undefined {
  if (usages.length === 0 || usages.some(({ requests }) => requests === undefined)) return undefined;
  const requests = usages.reduce((sum, { requests: some = 0 }) => sum + some, 0);
  return requests - rows.reduce((sum, { calls }) => sum + calls, 0);
}

/** Groups by key; one group where the vendor reports no keys. */
function createGroups({ charges, links }: DayBill): {
  key(key: string | undefined): string;
  row(row: MeteredRow): string;
} {
  const coarse = charges.some(({ key }) => key === undefined);
  const linked = new Set(links.values());
  return {
    key(key) {
      const name = coarse || key === undefined || key === "" ? undefined : links.get(key);
      return name === undefined ? POOL : `key ${name}`;
    },
    row: ({ key }) => (!coarse && linked.has(key) ? `key ${key}` : POOL),
  };
}
