import { type MeteredRow, meteredKey, meteredSums } from "../../core/metered.ts";
import { type Nano, splitNano } from "../../core/money.ts";
import { type Charge, canonicalTier, type DriftReason, type UngovernedReason } from "./bill.ts";
import { buildCells, type Cell, countOf, type DayBill, unbilledTiers } from "./cells.ts";
import { driftReasons } from "./drift.ts";
import { shareOut } from "./shares.ts";

export interface ReconcileInput extends DayBill {
  /** What was metered of this vendor on this day. */
  readonly metered: readonly MeteredRow[];
  /** The vendor may still add to the day: what is missing on its bill is `late`, not `not_billed`. */
  readonly open: boolean;
  /** Discounts are in the metered cost already, by the user's own configuration. */
  readonly discounted: boolean;
}

/** Whom an amount is charged to. */
export interface Bearer {
  readonly agent: string;
  readonly rootAgent: string;
  readonly team: string;
  /** Tags of the user's own as `writeTags` writes them; absent without any. */
  readonly tags?: string;
}

/** Billed and metered amounts of the same calls. Amounts in nano-USD. */
export interface BillLine {
  /** The vendor's ids; empty where there is none, or where nothing was billed. */
  readonly project: string;
  readonly key: string;
  readonly model: string;
  /** Undefined for ungoverned amounts. */
  readonly bearer: Bearer | undefined;
  billed: Nano;
  metered: Nano;
  /** Metered tokens of all kinds. */
  tokens: bigint;
  /** `billed - metered` of a line with a bearer, by reason: they add up to it. */
  readonly reasons: Partial<Record<DriftReason, Nano>>;
  /** Why a line has no bearer. */
  readonly why: Partial<Record<UngovernedReason, Nano>>;
}

/** What one metered row was charged with at one project, key and model of the bill. */
interface Part {
  readonly project: string;
  readonly key: string;
  readonly model: string;
  billed: Nano;
  /** Before the discount, where the vendor reports it for the whole amount. */
  list: Nano | undefined;
  /** Charges it was split from. */
  charges: number;
}

/**
 * Reconciles one vendor's bill of one day with metered spend. Every nano-dollar of the bill is on exactly one line, as is
 * every one that was metered. The order of the input does not matter.
 */
export function reconcile(input: ReconcileInput): readonly BillLine[] {
  const metered = sortedBy(input.metered, (row) => meteredKey(row) + meteredSums(row));
  const charges = sortedBy(input.charges, chargeKey);
  const cells = buildCells({ ...input, charges }, metered);
  const unbilled = unbilledTiers(input);
  const lines = createLines();
  const parts = new Map<MeteredRow, Map<string, Part>>();
  const types = new Map<MeteredRow, Set<string>>();
  /** Rows of which the vendor may not have counted every request yet. */
  const waiting = new Set<MeteredRow>();
  for (const cell of cells) {
    const { rows, ungoverned } = shareOut(cell);
    for (const row of cell.rows) {
      types.set(row, (types.get(row) ?? new Set()).add(cell.type));
      if (cell.type !== "web_search" && (cell.unseen === undefined || cell.unseen < 0)) waiting.add(row);
    }
    for (const charge of cell.charges) {
      const weights = [...rows, ungoverned];
      const amounts = splitNano(charge.nano, weights);
      const lists = charge.listNano === undefined ? undefined : splitNano(charge.listNano, weights);
      for (const [index, row] of cell.rows.entries())
        if (rows[index] !== 0n) addPart(parts, row, charge, amounts[index] ?? 0n, lists?.[index]);
      const left = amounts[cell.rows.length] ?? 0n;
      if (left !== 0n) {
        const line = lines.at(charge.project, charge.key ?? "", charge.model, undefined);
        line.billed += left;
        addTo(line.why, whyOf(cell, left), left);
      }
    }
  }
  for (const row of metered) place(row, [...(parts.get(row)?.values() ?? [])], types.get(row));
  return lines.all();

  function place(row: MeteredRow, own: readonly Part[], billedTypes: ReadonlySet<string> | undefined): void {
    const bearer = bearerOf(row);
    const where: readonly Part[] =
      own.length > 0 ? own : [{ project: "", key: "", model: row.model, billed: 0n, list: undefined, charges: 0 }];
    const sizes = where.map(({ billed }) => (billed > 0n ? billed : 0n));
    const weights = sizes.some((size) => size > 0n) ? sizes : where.map(() => 1n);
    const costs = splitNano(BigInt(row.cost), weights);
    const tokens = splitNano(tokensOf(row), weights);
    const complete = TYPES.every(
      (type) => countOf(row, type) === 0 || billedTypes?.has(type) || billedTypes?.has("tokens"),
    );
    for (const [index, part] of where.entries()) {
      const cost = costs[index] ?? 0n;
      const line = lines.at(part.project, part.key, part.model, bearer);
      line.billed += part.billed;
      line.metered += cost;
      line.tokens += tokens[index] ?? 0n;
      const facts = {
        row,
        part,
        cost,
        complete,
        open: input.open,
        waiting: waiting.has(row),
        discounted: input.discounted,
        unbilled: unbilled.has(canonicalTier(row.tier)),
      };
      for (const [reason, nano] of driftReasons(facts)) addTo(line.reasons, reason, nano);
    }
  }
}

/** Whom a metered row is charged to. */
export function bearerOf({ agent, rootAgent, team, tags }: MeteredRow): Bearer {
  return { agent, rootAgent, team, ...(tags !== undefined && { tags }) };
}

/** The tokens of a metered row, of all kinds. */
export function tokensOf({ inputUncached, cacheRead, cacheWrite, output }: MeteredRow): bigint {
  return BigInt(inputUncached + cacheRead + cacheWrite + output);
}

const TYPES = ["input_uncached", "cache_read", "cache_write", "output"] as const;

function whyOf({ batch, type }: Cell, left: Nano): UngovernedReason {
  if (left < 0n) return "credit";
  if (batch) return "batch";
  return type === "other" ? "tools" : "unmetered";
}

function addPart(
  parts: Map<MeteredRow, Map<string, Part>>,
  row: MeteredRow,
  charge: Charge,
  billed: Nano,
  list: Nano | undefined,
): void {
  const { project, key = "" } = charge;
  // Web searches come without a model.
  const model = charge.model || row.model;
  let own = parts.get(row);
  if (own === undefined) {
    own = new Map();
    parts.set(row, own);
  }
  const at = JSON.stringify([project, key, model]);
  const part = own.get(at);
  if (part === undefined) {
    own.set(at, { project, key, model, billed, list, charges: 1 });
    return;
  }
  part.billed += billed;
  part.list = part.list === undefined || list === undefined ? undefined : part.list + list;
  part.charges += 1;
}

function createLines() {
  const lines = new Map<string, BillLine>();
  return {
    at(project: string, key: string, model: string, bearer: Bearer | undefined): BillLine {
      const who = bearer === undefined ? [] : [bearer.agent, bearer.rootAgent, bearer.team, bearer.tags];
      const id = JSON.stringify([project, key, model, ...who]);
      let line = lines.get(id);
      if (line === undefined) {
        line = { project, key, model, bearer, billed: 0n, metered: 0n, tokens: 0n, reasons: {}, why: {} };
        lines.set(id, line);
      }
      return line;
    },
    all: (): readonly BillLine[] => sortedBy([...lines], ([id]) => id).map(([, line]) => line),
  };
}

function addTo<K extends string>(into: Partial<Record<K, Nano>>, reason: K, nano: Nano): void {
  if (nano !== 0n) into[reason] = (into[reason] ?? 0n) + nano;
}

function chargeKey({ nano, listNano, quantity, ...rest }: Charge): string {
  return JSON.stringify([rest.project, rest.key, rest.model, rest.tier, rest.type, `${nano}`, `${listNano}`, quantity]);
}

function sortedBy<T>(items: readonly T[], keyOf: (item: T) => string): readonly T[] {
  const keyed = items.map((item) => [keyOf(item), item] as const);
  return keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, item]) => item);
}
