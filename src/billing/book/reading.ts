import { recordKey } from "../../core/record-key.ts";
import type { BillRow } from "../reconcile/bill.ts";
import type { BillWindow, Page, Report } from "../vendors/vendor.ts";
import { daysOf } from "../windows.ts";
import { type BookFile, read, transact } from "./book-file.ts";
import { added, among, hashOf, type Row, readBuckets, readRow, valuesOf } from "./rows.ts";

/** One vendor's organization. */
export interface Account {
  readonly vendor: string;
  readonly org: string;
}

/** The cursor after the staged pages of a window. Pages of another query are dropped. */
export function readBookmark(file: BookFile, account: Account, window: BillWindow, query: unknown): string | undefined {
  const found = read(file, () => readingOf(file, account, window.report));
  if (found?.query === hashOf(window, query)) return String(found.cursor);
  transact(file, () => dropReading(file, account, window.report));
  return undefined;
}

export function keepPage(
  file: BookFile,
  account: Account,
  window: BillWindow,
  query: unknown,
  { rows, next, buckets }: Page,
): void {
  const { vendor, org } = account;
  transact(file, () => {
    const before = readingOf(file, account, window.report);
    const all = [...readBuckets(before?.buckets), ...(buckets ?? [])];
    stage(file, account, window.report, rows);
    const known = buckets === undefined ? null : JSON.stringify(all);
    file.sql.putReading.run(vendor, org, window.report, hashOf(window, query), next ?? "", known);
  });
}

/** Call it inside a transaction. Returns the days that changed, in order. */
export function settleReport(
  file: BookFile,
  account: Account,
  { name, supersedes = [] }: Report,
  window: BillWindow,
  { rows, buckets }: Page,
  now: number,
): readonly number[] {
  const { sql } = file;
  const { vendor, org } = account;
  const kept = readBuckets(readingOf(file, account, name)?.buckets);
  stage(file, account, name, rows);
  const days = buckets === undefined ? daysOf(window) : daysOf(window).filter(among([...kept, ...buckets]));
  const merged = sql.changed.all(vendor, org, name, window.from, window.until) as Row[];
  const changed = new Set(merged.map(({ start }) => Number(start)));
  sql.merge.run(vendor, org, name, window.from, window.until, now);
  for (const day of days) {
    let gone = Number(sql.removed.run(vendor, org, name, day).changes);
    for (const other of supersedes) gone += Number(sql.superseded.run(vendor, org, other, day).changes);
    if (gone > 0) changed.add(day);
    sql.cover.run(vendor, org, name, day, now);
  }
  dropReading(file, account, name);
  return [...changed].sort((a, b) => a - b);
}

/** Call it inside a transaction. */
export function dropReading({ sql }: BookFile, { vendor, org }: Account, report: string): void {
  sql.dropStaged.run(vendor, org, report);
  sql.dropReading.run(vendor, org, report);
}

function readingOf({ sql }: BookFile, { vendor, org }: Account, report: string): Row | undefined {
  return sql.reading.get(vendor, org, report) as Row | undefined;
}

/** Rows with equal dimensions are summed: the vendor splits them by a dimension that it does not report. */
function stage({ sql }: BookFile, { vendor, org }: Account, report: string, rows: readonly BillRow[]): void {
  for (const row of rows) {
    const at = [vendor, org, report, row.start, recordKey(row.dims)] as const;
    if (sql.stage.run(...at, ...valuesOf(row)).changes !== 0) continue;
    const before = sql.staged.get(...at) as Row;
    sql.restage.run(...at, ...valuesOf(added(readRow({ ...before, dims: "[]" }), row)));
  }
}
