import type { MeteredRow } from "../core/metered.ts";
import type { Nano } from "../core/money.ts";
import { OUTCOME_TAG, readTags } from "../core/tags/tags.ts";
import { FAILED, isSuccess, RETRIED } from "../core/work/work.ts";
import { unbilledOf } from "./drift.ts";
import type { Names } from "./names.ts";
import type { DriftReason, UngovernedReason } from "./reconcile/bill.ts";
import type { BillLine } from "./reconcile/reconcile.ts";

export const GROUPINGS = [
  "agent",
  "root_agent",
  "team",
  "vendor",
  "project",
  "key",
  "model",
  "day",
  "outcome",
] as const;
/** One of {@link GROUPINGS}, or the name of a declared tag. */
export type Grouping = (typeof GROUPINGS)[number] | (string & {});

/** Billed and metered amounts of a group. Amounts in nano-USD. */
export interface ReportRow {
  readonly by: Readonly<Partial<Record<Grouping, string>>>;
  billed: Nano;
  metered: Nano;
  /** Metered tokens of all kinds. */
  tokens: bigint;
  /** Works that ended with an outcome; undefined where the grouping cannot tell works apart. */
  works?: number;
  /** Those of them that were worth their money: neither failed nor retried. */
  successes?: number;
  /** Those that failed, and of failed ones those that were begun again, which are not among the former. */
  failed?: number;
  retried?: number;
  /** Part of `billed` that no metered call explains. */
  ungoverned: Nano;
  /** Part of `metered` that is not on the bill, or not yet. */
  unbilled: Nano;
  readonly reasons: Partial<Record<DriftReason | UngovernedReason, Nano>>;
}

/** The sum of all rows. */
export function totalOf(rows: readonly ReportRow[]): ReportRow {
  const all = { billed: 0n, metered: 0n, tokens: 0n, ungoverned: 0n, unbilled: 0n };
  const reasons: Record<string, Nano> = {};
  for (const row of rows) {
    for (const key of Object.keys(all) as (keyof typeof all)[]) all[key] += row[key];
    for (const [reason, nano] of Object.entries(row.reasons)) reasons[reason] = (reasons[reason] ?? 0n) + nano;
  }
  const counted = rows.filter(({ works }) => works !== undefined);
  const sumOf = (name: (typeof WORK_COUNTS)[number]) => counted.reduce((sum, row) => sum + (row[name] ?? 0), 0);
  const counts = Object.fromEntries(WORK_COUNTS.map((name) => [name, sumOf(name)]));
  return { by: {}, ...all, ...(counted.length > 0 && counts), reasons };
}

const WORK_COUNTS = ["works", "successes", "failed", "retried"] as const;

/** Sums lines by the requested names. Ungoverned spend is a separate row, with agent `(ungoverned)`. */
export interface Report {
  add(vendor: string, names: Names, day: number, lines: readonly BillLine[]): void;
  /** Adds a metered row that counts works. */
  addWorks(row: MeteredRow): void;
  /** The largest amount first. */
  readonly rows: readonly ReportRow[];
}

export const UNGOVERNED = "(ungoverned)";

export function createReport(by: readonly Grouping[]): Report {
  const rows = new Map<string, ReportRow>();
  return {
    add(vendor, names, day, lines) {
      for (const line of lines) {
        const { bearer } = line;
        const tags = readTags(bearer?.tags);
        const all: Readonly<Record<string, string>> = {
          ...tags,
          agent: bearer?.agent ?? UNGOVERNED,
          root_agent: bearer?.rootAgent ?? UNGOVERNED,
          team: bearer === undefined ? UNGOVERNED : bearer.team,
          vendor,
          project: names.project(line.project),
          key: names.key(line.key),
          model: line.model,
          day: new Date(day).toISOString().slice(0, 10),
        };
        addLine(
          rowOf(
            rows,
            Object.fromEntries(by.map((name) => [name, all[name] ?? (bearer === undefined ? UNGOVERNED : "")])),
          ),
          line,
        );
      }
    },
    addWorks: (row) => addWorks(rows, by, row),
    get rows() {
      return [...rows.values()].sort(byAmount);
    },
  };
}

/** By what a work can be told apart: it may call many models, of several vendors. */
const OF_WORKS: ReadonlySet<string> = new Set(["agent", "root_agent", "team", "day", "outcome"]);

function addWorks(rows: Map<string, ReportRow>, by: readonly Grouping[], row: MeteredRow): void {
  const tags = readTags(row.tags);
  if (by.some((name) => !OF_WORKS.has(name) && (GROUPINGS as readonly string[]).includes(name))) return;
  const day = new Date(row.day).toISOString().slice(0, 10);
  const all: Readonly<Record<string, string>> = {
    ...tags,
    ...{ agent: row.agent, root_agent: row.rootAgent, team: row.team, day },
  };
  const found = rowOf(rows, Object.fromEntries(by.map((name) => [name, all[name] ?? ""])));
  const outcome = tags[OUTCOME_TAG] ?? "";
  const counts = {
    works: true,
    successes: isSuccess(outcome),
    failed: outcome === FAILED,
    retried: outcome === RETRIED,
  };
  for (const name of WORK_COUNTS) found[name] = (found[name] ?? 0) + (counts[name] ? row.calls : 0);
}

function rowOf(rows: Map<string, ReportRow>, by: ReportRow["by"]): ReportRow {
  const id = JSON.stringify(by);
  let row = rows.get(id);
  if (row === undefined) {
    row = { by, billed: 0n, metered: 0n, tokens: 0n, ungoverned: 0n, unbilled: 0n, reasons: {} };
    rows.set(id, row);
  }
  return row;
}

function addLine(row: ReportRow, { bearer, billed, metered, tokens, reasons, why }: BillLine): void {
  row.billed += billed;
  row.metered += metered;
  row.tokens += tokens;
  if (bearer === undefined) row.ungoverned += billed;
  row.unbilled += unbilledOf(reasons);
  for (const [reason, nano] of [...Object.entries(reasons), ...Object.entries(why)] as [DriftReason, Nano][])
    row.reasons[reason] = (row.reasons[reason] ?? 0n) + nano;
}

/** The largest bill first, and of what is on no bill the largest metered cost. */
function byAmount(a: ReportRow, b: ReportRow): number {
  if (a.billed !== b.billed) return a.billed > b.billed ? -1 : 1;
  if (a.metered !== b.metered) return a.metered > b.metered ? -1 : 1;
  return compare(a, b);
}

function compare(a: ReportRow, b: ReportRow): number {
  const [left, right] = [JSON.stringify(a.by), JSON.stringify(b.by)];
  return left < right ? -1 : left > right ? 1 : 0;
}
