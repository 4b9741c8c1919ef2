import { type BookFile, closeFile, openFile, read, transact } from "./book/book-file.ts";
import { type Account, dropReading, keepPage, readBookmark, settleReport } from "./book/reading.ts";
import { type Row, readRow } from "./book/rows.ts";
import type { BillRow } from "./reconcile/bill.ts";
import type { BillWindow, Page, Report } from "./vendors/vendor.ts";

export interface Run {
  /** What was requested: an unfinished run of the same request is resumed. */
  readonly wanted: string;
  readonly started: number;
  readonly finished: number | undefined;
}

export interface Upload {
  readonly content: string;
  /** The receiver's id of the uploaded file. */
  readonly file: string | undefined;
}

/**
 * The vendors' rows as last read, and the reading progress, in SQLite. Every change is one transaction: a process
 * that dies leaves the state before it or after it.
 */
export interface Book {
  readonly path: string;
  /**
   * The cursor after the staged pages of a window. Undefined without any, or when another query staged them: those
   * pages are dropped.
   */
  bookmark(account: Account, window: BillWindow, query: unknown): string | undefined;
  /** Stages a page that is not the last. */
  keep(account: Account, window: BillWindow, query: unknown, page: Page): void;
  /** Drops the staged pages of a report. */
  forget(account: Account, report: string): void;
  /** Stages the last page, and replaces the rows of the window by all its pages. Returns the days that changed. */
  settle(account: Account, report: Report, window: BillWindow, page: Page, now: number): readonly number[];
  /** When each day of a report was last read completely, by the day's start. */
  readAt(account: Account, report: string, from: number, until: number): ReadonlyMap<number, number>;
  /** The last day that was ever read. */
  lastDay(account: Account): number | undefined;
  vendors(): readonly string[];
  rows(vendor: string, from: number, until: number): readonly BillRow[];
  run(vendor: string): Run | undefined;
  putRun(vendor: string, run: Run): void;
  /** Points of a day that a sink has accepted, in nano-USD by tags. */
  points(sink: string, vendor: string, day: number): ReadonlyMap<string, bigint>;
  putPoints(sink: string, vendor: string, day: number, points: Iterable<readonly [tags: string, nano: bigint]>): void;
  /** The last upload of a day's costs. */
  upload(vendor: string, day: number): Upload | undefined;
  putUpload(vendor: string, day: number, upload: Upload): void;
  fact<T>(vendor: string, name: string): T | undefined;
  putFact(vendor: string, name: string, value: unknown): void;
  close(): void;
}

export interface BookOptions {
  /** Take the lock of the one poller; any number of processes may read. */
  readonly alone: boolean;
  /** Maximum size of the file in SQLite pages; unlimited when absent. */
  readonly maxPages?: number | undefined;
}

/**
 * @throws SpendfuseError `SPENDFUSE_STORE`, with the fix, here and from every method.
 */
export async function openBook(path: string, options: BookOptions): Promise<Book> {
  const file = await openFile(path, options);
  return {
    path: file.path,
    bookmark: (account, window, query) => readBookmark(file, account, window, query),
    keep: (account, window, query, page) => keepPage(file, account, window, query, page),
    forget: (account, report) => transact(file, () => dropReading(file, account, report)),
    settle: (account, report, window, page, now) =>
      transact(file, () => settleReport(file, account, report, window, page, now)),
    readAt: (account, report, from, until) => readAt(file, account, report, from, until),
    lastDay: (account) => readLastDay(file, account),
    vendors: () => read(file, ({ vendors }) => (vendors.all() as Row[]).map(({ vendor }) => String(vendor))),
    rows: (vendor, from, until) => read(file, ({ rows }) => (rows.all(vendor, from, until) as Row[]).map(readRow)),
    run: (vendor) => readRun(file, vendor),
    putRun: (vendor, { wanted, started, finished }) =>
      transact(file, () => void file.sql.putRun.run(vendor, wanted, started, finished ?? null)),
    points: (sink, vendor, day) => readPoints(file, sink, vendor, day),
    putPoints: (sink, vendor, day, points) => putPoints(file, sink, vendor, day, points),
    upload: (vendor, day) => readUpload(file, vendor, day),
    putUpload: (vendor, day, { content, file: id }) =>
      transact(file, () => void file.sql.putUpload.run(vendor, day, content, id ?? null)),
    fact: <T>(vendor: string, name: string) => readFact(file, vendor, name) as T | undefined,
    putFact: (vendor, name, value) =>
      transact(file, () => void file.sql.putFact.run(vendor, name, JSON.stringify(value))),
    close: () => closeFile(file),
  };
}

function readAt(
  file: BookFile,
  { vendor, org }: Account,
  report: string,
  from: number,
  until: number,
): ReadonlyMap<number, number> {
  const rows = read(file, ({ covered }) => covered.all(vendor, org, report, from, until) as Row[]);
  return new Map(rows.map(({ day, read_at }) => [Number(day), Number(read_at)]));
}

function readLastDay(file: BookFile, { vendor, org }: Account): number | undefined {
  const { day } = read(file, ({ lastCovered }) => lastCovered.get(vendor, org) as Row);
  return day === null ? undefined : Number(day);
}

function readRun(file: BookFile, vendor: string): Run | undefined {
  const row = read(file, ({ run }) => run.get(vendor) as Row | undefined);
  if (row === undefined) return undefined;
  const finished = row.finished === null ? undefined : Number(row.finished);
  return { wanted: String(row.wanted), started: Number(row.started), finished };
}

function readPoints(file: BookFile, sink: string, vendor: string, day: number): ReadonlyMap<string, bigint> {
  const rows = read(file, ({ points }) => points.all(sink, vendor, day) as Row[]);
  return new Map(rows.map(({ tags, nano }) => [String(tags), BigInt(String(nano))]));
}

function putPoints(
  file: BookFile,
  sink: string,
  vendor: string,
  day: number,
  points: Iterable<readonly [tags: string, nano: bigint]>,
): void {
  transact(file, () => {
    for (const [tags, nano] of points) file.sql.putPoint.run(sink, vendor, day, tags, nano);
  });
}

function readUpload(file: BookFile, vendor: string, day: number): Upload | undefined {
  const row = read(file, ({ upload }) => upload.get(vendor, day) as Row | undefined);
  return row && { content: String(row.content), file: row.file === null ? undefined : String(row.file) };
}

function readFact(file: BookFile, vendor: string, name: string): unknown {
  const row = read(file, ({ fact }) => fact.get(vendor, name) as Row | undefined);
  return row && JSON.parse(String(row.json));
}
