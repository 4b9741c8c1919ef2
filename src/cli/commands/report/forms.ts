import { driftOf } from "../../../billing/drift.ts";
import { type Grouping, type ReportRow, totalOf } from "../../../billing/report.ts";
import { decimalUsd, type Nano } from "../../../core/money.ts";
import { showCount } from "../../../terminal/amount.ts";
import { type Column, textTable } from "../../../terminal/table.ts";

/** A vendor's bill that the report contains. */
export interface Bill {
  readonly name: string;
  readonly title: string;
  /** When it was last read to its end, in milliseconds since the epoch. */
  readonly readAt: number | undefined;
}

/** What a report covers. Times in milliseconds since the epoch; `until` is exclusive. */
export interface About {
  readonly by: readonly Grouping[];
  readonly from: number;
  readonly until: number;
  readonly now: number;
  /** Whether there is a source of metered spend. */
  readonly metered: boolean;
  /** Empty where no bill was read: then everything is metered only. */
  readonly bills: readonly Bill[];
}

type Amount = readonly [column: Column, show: (row: ReportRow, about: About) => string];

const right = (title: string): Column => ({ title, align: "right" });

const METERED: Amount = [right("metered"), (row, { metered }) => (metered ? dollars(row.metered) : "-")];
const TOKENS: Amount = [right("tokens"), (row, { metered }) => (metered ? row.tokens.toLocaleString("en-US") : "-")];

const COMPARED: readonly Amount[] = [
  [right("billed"), (row) => dollars(row.billed)],
  METERED,
  [right("drift"), (row, { metered }) => (metered ? percent(driftOf(row)) : "-")],
  [right("ungoverned"), (row) => (row.ungoverned === 0n ? "" : dollars(row.ungoverned))],
  [right("not on the bill"), (row) => (row.unbilled === 0n ? "" : dollars(row.unbilled))],
  [{ title: "why" }, reasonsOf],
];

/** Shown where work ended with an outcome. */
const WORKS: readonly Amount[] = [
  [right("works"), ({ works }) => optional(works, showCount)],
  [right("failed"), ({ failed = 0 }) => (failed > 0 ? showCount(failed) : "")],
  [right("retried"), ({ retried = 0 }) => (retried > 0 ? showCount(retried) : "")],
  [right("a success"), (row) => optional(perSuccess(row), dollars)],
];

/** The metered cost of everything in the row, failed and retried work included, over its successes. In nano-USD. */
function perSuccess({ metered, successes = 0 }: ReportRow): Nano | undefined {
  return successes > 0 ? metered / BigInt(successes) : undefined;
}

function optional<T>(value: T | undefined, show: (value: T) => string): string {
  return value === undefined ? "" : show(value);
}

function hasWorks(rows: readonly ReportRow[]): boolean {
  return rows.some(({ works }) => works !== undefined);
}

/** Dollars to the cent, or finer below a cent. */
export function toTable(rows: readonly ReportRow[], about: About): readonly string[] {
  if (rows.length === 0) return [`nothing is known of ${spanOf(about)}: run spendfuse poll --from ${iso(about.from)}`];
  const known = about.bills.length === 0 ? [METERED, TOKENS] : COMPARED;
  const amounts = hasWorks(rows) ? [...known, ...WORKS] : known;
  const cells = (row: ReportRow, names: readonly string[]): readonly string[] => [
    ...names,
    ...amounts.map(([, show]) => show(row, about)),
  ];
  const table = textTable(
    [...about.by, ...amounts.map(([column]) => column)],
    [
      ...rows.map((row) =>
        cells(
          row,
          about.by.map((name) => row.by[name] || "-"),
        ),
      ),
      cells(totalOf(rows), namesOfTotal(about)),
    ],
  );
  return [`${spanOf(about)}, UTC`, "", ...table, "", ...notes(about)];
}

function namesOfTotal({ by }: About): readonly string[] {
  return by.map((_, index) => (index === 0 ? "all" : ""));
}

function notes({ bills, metered, until, now }: About): readonly string[] {
  if (bills.length === 0)
    return [
      "Metered by us alone: no vendor's bill has been read. spendfuse poll reads it, and shows what it explains.",
    ];
  const read = bills.map(({ title, readAt }) => {
    const at = readAt === undefined ? "never to its end" : new Date(readAt).toISOString().slice(0, 16);
    return `${title}: read ${at}`;
  });
  return [
    ...read,
    ...(metered ? [] : ["What was metered is not known here: set SPENDFUSE_STORE, or DD_API_KEY and DD_APP_KEY."]),
    ...(until > now ? ["Bills are hours to a day late, and restated for weeks: the last days are not final."] : []),
  ];
}

/** A row for each group and one for all of them; the last column says when the oldest bill in it was read. */
export function toCsv(rows: readonly ReportRow[], about: About): readonly string[] {
  const { by } = about;
  const amounts = ["billed_usd", "metered_usd", "drift_ratio", "ungoverned_usd", "not_on_the_bill_usd", "reasons"];
  const withWorks = hasWorks(rows);
  const works = withWorks ? ["works", "successes", "usd_per_success", "failed_works", "retried_works"] : [];
  const head = [...by, ...amounts, "tokens", "bill_read_at", ...works];
  const readAt = oldestRead(about) ?? "";
  const lineOf = (row: ReportRow, names: readonly string[]): string =>
    [...names, ...amountsOf(row), `${row.tokens}`, readAt, ...(withWorks ? worksOf(row) : [])].map(quoted).join(",");
  return [
    head.join(","),
    ...rows.map((row) =>
      lineOf(
        row,
        by.map((name) => row.by[name] ?? ""),
      ),
    ),
    ...(rows.length === 0 ? [] : [lineOf(totalOf(rows), namesOfTotal(about))]),
  ];
}

function worksOf(row: ReportRow): readonly string[] {
  const { works, successes, failed, retried } = row;
  return [
    ...[works, successes].map((count) => optional(count, String)),
    optional(perSuccess(row), decimalUsd),
    ...[failed, retried].map((count) => optional(count, String)),
  ];
}

function amountsOf(row: ReportRow): readonly string[] {
  return [
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

/** A cell of CSV. Escapes what a spreadsheet would evaluate as a formula. */
export function quoted(cell: string): string {
  const safe = /^[=+@]|^-(?![\d.])/.test(cell) ? `'${cell}` : cell;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function toJson(rows: readonly ReportRow[], about: About): readonly string[] {
  const { from, by, now, metered, bills } = about;
  const read = bills.map(({ name, readAt }) => ({ vendor: name, readAt: timeOf(readAt) ?? null }));
  const span = { from: iso(from), to: iso(lastMs(about)), by, generatedAt: timeOf(now) };
  const shown = { rows: rows.map((row) => ({ ...row.by, ...figuresOf(row) })), total: figuresOf(totalOf(rows)) };
  return [JSON.stringify({ ...span, metered, bills: read, ...shown })];
}

function figuresOf(row: ReportRow) {
  return {
    billedUsd: decimalUsd(row.billed),
    meteredUsd: decimalUsd(row.metered),
    driftRatio: driftOf(row) ?? null,
    ungovernedUsd: decimalUsd(row.ungoverned),
    notOnTheBillUsd: decimalUsd(row.unbilled),
    tokens: Number(row.tokens),
    ...(row.works !== undefined && {
      works: row.works,
      successes: row.successes,
      failed: row.failed,
      retried: row.retried,
      usdPerSuccess: perSuccess(row) === undefined ? null : worksOf(row)[2],
    }),
    reasonsUsd: Object.fromEntries(Object.entries(row.reasons).map(([name, nano]) => [name, decimalUsd(nano as Nano)])),
  };
}

/** When the bill that is the oldest was read; undefined where one was never read to its end, or there is none. */
function oldestRead({ bills }: About): string | undefined {
  const times = bills.map(({ readAt }) => readAt ?? Number.NaN);
  const oldest = Math.min(...times);
  return Number.isFinite(oldest) ? timeOf(oldest) : undefined;
}

function timeOf(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
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

/** The last moment that is covered: never in the future. */
function lastMs({ until, now }: Pick<About, "until" | "now">): number {
  return Math.min(until - 1, now);
}

export function spanOf(about: Pick<About, "from" | "until" | "now">): string {
  return `${iso(about.from)} to ${iso(lastMs(about))}`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
