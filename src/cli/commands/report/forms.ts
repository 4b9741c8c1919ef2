import type { Book } from "../../../billing/book.ts";
import { driftOf } from "../../../billing/drift.ts";
import type { Grouping, ReportRow } from "../../../billing/report.ts";
import { DAY_MS, type Vendor } from "../../../billing/vendors/vendor.ts";
import { decimalUsd, type Nano } from "../../../core/money.ts";
import { textTable } from "../../../terminal/table.ts";

/** What a report covers. */
export interface About {
  readonly by: readonly Grouping[];
  readonly from: number;
  readonly until: number;
  /** Whether there is a source of metered spend. */
  readonly metered: boolean;
  readonly book: Book;
  readonly vendors: readonly Vendor[];
}

const AMOUNTS = ["billed", "metered", "drift", "ungoverned", "not on the bill"].map(
  (title) => ({ title, align: "right" }) as const,
);

/** Dollars to the cent, or finer below a cent. */
export function toTable(rows: readonly ReportRow[], about: About): readonly string[] {
  if (rows.length === 0) return [`nothing is known of ${spanOf(about)}: run spendfuse poll --from ${iso(about.from)}`];
  const all = total(rows);
  const cells = (row: Omit<ReportRow, "by">, names: readonly string[]): readonly string[] => [
    ...names,
    dollars(row.billed),
    about.metered ? dollars(row.metered) : "-",
    about.metered ? percent(driftOf(row)) : "-",
    row.ungoverned === 0n ? "" : dollars(row.ungoverned),
    row.unbilled === 0n ? "" : dollars(row.unbilled),
    reasonsOf(row),
  ];
  const table = textTable(
    [...about.by, ...AMOUNTS, "why"],
    [
      ...rows.map((row) =>
        cells(
          row,
          about.by.map((name) => row.by[name] || "-"),
        ),
      ),
      cells(
        all,
        about.by.map((_, index) => (index === 0 ? "all" : "")),
      ),
    ],
  );
  return [`${spanOf(about)}, UTC`, "", ...table, "", ...notes(about)];
}

function notes({ vendors, book, metered, until }: About): readonly string[] {
  const read = vendors.map(({ name, title }) => {
    const at = book.fact<number>(name, "polled at");
    return `${title}: read ${at === undefined ? "never to its end" : new Date(at).toISOString().slice(0, 16)}`;
  });
  return [
    ...read,
    ...(metered ? [] : ["What was metered is not known here: set SPENDFUSE_STORE, or DD_API_KEY and DD_APP_KEY."]),
    ...(until > Date.now()
      ? ["Bills are hours to a day late, and restated for weeks: the last days are not final."]
      : []),
  ];
}

export function toCsv(rows: readonly ReportRow[], { by }: About): readonly string[] {
  const head = [...by, "billed_usd", "metered_usd", "drift_ratio", "ungoverned_usd", "not_on_the_bill_usd", "reasons"];
  return [head.join(","), ...rows.map((row) => csvOf(row, by).map(quoted).join(","))];
}

function csvOf(row: ReportRow, by: readonly Grouping[]): readonly string[] {
  return [
    ...by.map((name) => row.by[name] ?? ""),
    decimalUsd(row.billed),
    decimalUsd(row.metered),
    driftOf(row)?.toString() ?? "",
    decimalUsd(row.ungoverned),
    decimalUsd(row.unbilled),
    Object.entries(row.reasons)
      .map(([reason, nano]) => `${reason}=${decimalUsd(nano as Nano)}`)
      .join(" "),
  ];
}

/** Escapes a cell that a spreadsheet would evaluate as a formula. */
function quoted(cell: string): string {
  const safe = /^[=+@]|^-(?![\d.])/.test(cell) ? `'${cell}` : cell;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function toJson(rows: readonly ReportRow[], about: About): readonly string[] {
  const shown = rows.map((row) => ({
    ...row.by,
    billedUsd: decimalUsd(row.billed),
    meteredUsd: decimalUsd(row.metered),
    driftRatio: driftOf(row) ?? null,
    ungovernedUsd: decimalUsd(row.ungoverned),
    notOnTheBillUsd: decimalUsd(row.unbilled),
    reasonsUsd: Object.fromEntries(Object.entries(row.reasons).map(([name, nano]) => [name, decimalUsd(nano as Nano)])),
  }));
  return [JSON.stringify({ from: iso(about.from), to: iso(about.until - 1), by: about.by, rows: shown })];
}

function total(rows: readonly ReportRow[]): Omit<ReportRow, "by"> {
  const all = { billed: 0n, metered: 0n, ungoverned: 0n, unbilled: 0n, reasons: {} as Record<string, Nano> };
  for (const row of rows) {
    all.billed += row.billed;
    all.metered += row.metered;
    all.ungoverned += row.ungoverned;
    all.unbilled += row.unbilled;
    for (const [reason, nano] of Object.entries(row.reasons)) all.reasons[reason] = (all.reasons[reason] ?? 0n) + nano;
  }
  return all;
}

function reasonsOf({ reasons }: Pick<ReportRow, "reasons">): string {
  return Object.entries(reasons)
    .filter(([reason, nano]) => nano !== 0n && reason !== "rounding")
    .sort(([, a], [, b]) => Number(size(b) - size(a)))
    .map(([reason, nano]) => `${reason.replaceAll("_", " ")} ${nano > 0n ? "+" : ""}${dollars(nano)}`)
    .join(", ");
}

function size(nano: Nano): Nano {
  return nano < 0n ? -nano : nano;
}

export function dollars(nano: Nano): string {
  const text = decimalUsd(size(nano));
  const places = size(nano) >= 1_000_000_000n || nano === 0n ? 2 : 6;
  const [whole = "0", fraction = ""] = text.split(".");
  return `${nano < 0n ? "-" : ""}$${BigInt(whole).toLocaleString("en-US")}.${fraction.slice(0, places)}`;
}

function percent(ratio: number | undefined): string {
  if (ratio === undefined) return "";
  return `${ratio > 0 ? "+" : ""}${(ratio * 100).toFixed(2)} %`;
}

function spanOf({ from, until }: About): string {
  return `${iso(from)} to ${iso(Math.min(until, Date.now() + DAY_MS) - 1)}`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
