import type { Grouping } from "../../../billing/report.ts";
import { DAY_MS } from "../../../billing/vendors/vendor.ts";
import {
  CAUSES,
  type Cause,
  createWasteReport,
  totalWaste,
  type WasteRow,
  wastedOf,
} from "../../../billing/waste/waste.ts";
import type { Config } from "../../../config/config.ts";
import { decimalUsd, type Nano } from "../../../core/money.ts";
import { openPriceBook } from "../../../pricing/open.ts";
import type { Store } from "../../../stores/store.ts";
import { counted } from "../../../terminal/amount.ts";
import { type Column, textTable } from "../../../terminal/table.ts";
import { dollars, quoted, spanOf } from "./forms.ts";

/** What a report on waste covers. Times in milliseconds since the epoch; `until` is exclusive. */
export interface WasteSpan {
  readonly by: readonly Grouping[];
  readonly from: number;
  readonly until: number;
  readonly now: number;
}

export type WasteForm = (rows: readonly WasteRow[], span: WasteSpan) => readonly string[];

/** The lines of the report, from what the processes have written to their store. */
export async function wasteLines(store: Store, config: Config, span: WasteSpan, form: WasteForm) {
  const { prices = [], discounts = [], localServers = "unknown" } = config;
  const report = createWasteReport(span.by, await openPriceBook({ prices, discounts, localServers }));
  for (let day = span.from; day < span.until; day += DAY_MS) report.add(await store.metered(day, day + DAY_MS));
  return form(report.rows, span);
}

const SAID: Readonly<Record<Cause, string>> = {
  canceled: "canceled calls",
  failed: "calls that failed",
  repeated: "requests answered before",
  failed_work: "failed work",
  retried_work: "retried work",
  unread_cache: "cache writes never read",
  uncached: "repeated input not cached",
};

const right = (title: string): Column => ({ title, align: "right" });

export function wasteTable(rows: readonly WasteRow[], span: WasteSpan): readonly string[] {
  if (rows.length === 0) return [`nothing was metered from ${spanOf(span)}: SPENDFUSE_STORE has no call of these days`];
  const total = totalWaste(rows);
  const line = (names: readonly string[], row: WasteRow): readonly string[] => [
    ...names,
    dollars(row.spent),
    dollars(wastedOf(row)),
    share(wastedOf(row), row.spent),
    causesOf(row),
  ];
  const named = rows.map((row) =>
    line(
      span.by.map((name) => row.by[name] || "-"),
      row,
    ),
  );
  const all = line(
    span.by.map((_, index) => (index === 0 ? "all" : "")),
    total,
  );
  const columns = [...span.by, right("metered"), right("bought nothing"), right("share"), { title: "why" }];
  return [`${spanOf(span)}, UTC`, "", ...textTable(columns, [...named, all]), "", ...notes(total)];
}

function notes(total: WasteRow): readonly string[] {
  const { unpriced } = total;
  return [
    'Amounts are metered costs, and a lower bound: work without an outcome counts as useful, and repeated requests are only known where "repeats" is configured.',
    ...(unpriced > 0
      ? [`${counted(unpriced, "wasted call")} of unknown cost ${unpriced === 1 ? "is" : "are"} in no amount.`]
      : []),
  ];
}

/** The causes of a row, the largest first, with the calls that they are the whole cost of. */
function causesOf({ causes }: WasteRow): string {
  return CAUSES.filter((cause) => causes[cause].cost !== 0n || causes[cause].calls > 0)
    .sort((a, b) => Number(causes[b].cost - causes[a].cost))
    .map((cause) => {
      const { cost, calls } = causes[cause];
      return `${SAID[cause]} ${dollars(cost)}${calls > 0 ? ` (${counted(calls, "call")})` : ""}`;
    })
    .join(", ");
}

function share(part: Nano, whole: Nano): string {
  const ratio = ratioOf(part, whole);
  return ratio === undefined ? "" : `${(ratio * 100).toFixed(1)} %`;
}

/** Rounded to four places; undefined where nothing was spent. */
function ratioOf(part: Nano, whole: Nano): number | undefined {
  return whole > 0n ? Number((part * 10_000n + whole / 2n) / whole) / 10_000 : undefined;
}

export function wasteCsv(rows: readonly WasteRow[], { by }: WasteSpan): readonly string[] {
  const causes = CAUSES.flatMap((cause) => [`${cause}_usd`, `${cause}_calls`]);
  const head = [...by, "metered_usd", "wasted_usd", "wasted_ratio", "calls", ...causes, "unpriced_calls"];
  const line = (names: readonly string[], row: WasteRow): string =>
    [
      ...names,
      decimalUsd(row.spent),
      decimalUsd(wastedOf(row)),
      `${ratioOf(wastedOf(row), row.spent) ?? ""}`,
      `${row.calls}`,
      ...CAUSES.flatMap((cause) => [decimalUsd(row.causes[cause].cost), `${row.causes[cause].calls}`]),
      `${row.unpriced}`,
    ]
      .map(quoted)
      .join(",");
  const named = rows.map((row) =>
    line(
      by.map((name) => row.by[name] ?? ""),
      row,
    ),
  );
  const all = by.map((_, index) => (index === 0 ? "all" : ""));
  return [head.join(","), ...named, ...(rows.length === 0 ? [] : [line(all, totalWaste(rows))])];
}

export function wasteJson(rows: readonly WasteRow[], { by, from, until, now }: WasteSpan): readonly string[] {
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
  const span = { from: day(from), to: day(Math.min(until - 1, now)), by, generatedAt: new Date(now).toISOString() };
  const shown = rows.map((row) => ({ ...row.by, ...figuresOf(row) }));
  return [JSON.stringify({ ...span, rows: shown, total: figuresOf(totalWaste(rows)) })];
}

function figuresOf(row: WasteRow) {
  return {
    meteredUsd: decimalUsd(row.spent),
    wastedUsd: decimalUsd(wastedOf(row)),
    wastedRatio: ratioOf(wastedOf(row), row.spent) ?? null,
    calls: row.calls,
    causes: Object.fromEntries(
      CAUSES.map((cause) => [cause, { usd: decimalUsd(row.causes[cause].cost), calls: row.causes[cause].calls }]),
    ),
    unpricedCalls: row.unpriced,
  };
}
