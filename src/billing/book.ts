import { chmodSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { SpendfuseError } from "../core/errors.ts";
import { recordKey } from "../core/record-key.ts";
import { fixOf } from "../stores/file/faults.ts";
import { inTransaction } from "../stores/file/transaction.ts";
import { lockBook } from "./book/lock.ts";
import { added, among, hashOf, type Row, readBuckets, readRow, valuesOf } from "./book/rows.ts";
import { prepare, SCHEMA } from "./book/tables.ts";
import type { BillRow } from "./reconcile/bill.ts";
import type { BillWindow, Page, Report } from "./vendors/vendor.ts";
import { daysOf } from "./windows.ts";

/** One vendor's organization. */
export interface Account {
  readonly vendor: string;
  readonly org: string;
}

export interface Run {
  /** What was asked for: a run of the same that did not end is gone on with. */
  readonly wanted: string;
  readonly started: number;
  readonly finished: number | undefined;
}

export interface Upload {
  readonly content: string;
  /** The id that the receiver gave it. */
  readonly file: string | undefined;
}

/**
 * The vendors' rows as they are known, and how far they were read. SQLite; every step is one transaction, so that a
 * process that dies at any moment leaves either what was or what is.
 */
export interface Book {
  readonly path: string;
  /**
   * The cursor behind the pages of a window that are kept. Undefined where nothing of it was read, or by another query:
   * then what was kept is dropped.
   */
  bookmark(account: Account, window: BillWindow, query: unknown): string | undefined;
  /** Keeps a page that is not the last. */
  keep(account: Account, window: BillWindow, query: unknown, page: Page): void;
  /** Drops what was kept of a window. */
  forget(account: Account, report: string): void;
  /** Takes the last page in, and replaces what was known of the window by all its pages. Returns the days that changed. */
  settle(account: Account, report: Report, window: BillWindow, page: Page, now: number): readonly number[];
  /** When each day of a report was last read to its end, by the day's start. */
  readAt(account: Account, report: string, from: number, until: number): ReadonlyMap<number, number>;
  /** The last day that was ever read. */
  lastDay(account: Account): number | undefined;
  vendors(): readonly string[];
  rows(vendor: string, from: number, until: number): readonly BillRow[];
  run(vendor: string): Run | undefined;
  putRun(vendor: string, run: Run): void;
  /** Points of a day that a sink has taken, in nano-USD by tags. */
  points(sink: string, vendor: string, day: number): ReadonlyMap<string, bigint>;
  putPoints(sink: string, vendor: string, day: number, points: Iterable<readonly [tags: string, nano: bigint]>): void;
  /** What was uploaded of a day's costs. */
  upload(vendor: string, day: number): Upload | undefined;
  putUpload(vendor: string, day: number, upload: Upload): void;
  fact<T>(vendor: string, name: string): T | undefined;
  putFact(vendor: string, name: string, value: unknown): void;
  close(): void;
}

export interface BookOptions {
  /** To be its one poller; readers are as many as they like. */
  readonly alone: boolean;
  /** The most pages that the file may have; as many as the disk holds when absent. */
  readonly maxPages?: number | undefined;
}

/**
 * @throws SpendfuseError `SPENDFUSE_STORE`, with what to do.
 */
export async function openBook(path: string, { alone, maxPages }: BookOptions): Promise<Book> {
  const where = resolve(path);
  // Loaded when it is asked for: before Node 24 it warns that it is experimental.
  const { DatabaseSync } = await import("node:sqlite");
  const fail = (what: string, cause: unknown): SpendfuseError => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const again = /not a database|malformed|corrupt/i.test(reason)
      ? "; move it away and run spendfuse poll --from DATE: the vendors still have every row"
      : fixOf(reason);
    return new SpendfuseError("SPENDFUSE_STORE", `${where} ${what}: ${reason}${again}`, { path: where }, cause);
  };
  const attempt = <T>(what: string, run: () => T): T => {
    try {
      return run();
    } catch (error) {
      throw error instanceof SpendfuseError ? error : fail(what, error);
    }
  };
  attempt("cannot be opened", () => mkdirSync(dirname(where), { recursive: true, mode: 0o700 }));
  const unlock = alone ? lockBook(DatabaseSync, where) : () => {};
  const { db, sql } = attempt("cannot be opened", () => {
    const opened = new DatabaseSync(where, { timeout: 5_000 });
    try {
      opened.exec(SCHEMA);
      if (alone) chmodSync(where, 0o600);
      if (maxPages !== undefined) opened.exec(`PRAGMA max_page_count = ${Math.ceil(maxPages)}`);
      const check = opened.prepare("PRAGMA quick_check(1)").get() as Row;
      if (check.quick_check !== "ok") throw new Error(`the database is malformed (${check.quick_check})`);
      return { db: opened, sql: prepare(opened) };
    } catch (error) {
      opened.close();
      unlock();
      throw error;
    }
  });

  function transact<T>(run: () => T): T {
    return attempt("cannot be written", () => inTransaction(db, sql, run));
  }

  /** Two lines of the same identity in one window are parts of one: the vendor could not tell them apart. */
  function stage({ vendor, org }: Account, report: string, rows: readonly BillRow[]): void {
    for (const row of rows) {
      const at = [vendor, org, report, row.start, recordKey(row.dims)] as const;
      if (sql.stage.run(...at, ...valuesOf(row)).changes !== 0) continue;
      const before = sql.staged.get(...at) as Row;
      sql.restage.run(...at, ...valuesOf(added(readRow({ ...before, dims: "[]" }), row)));
    }
  }

  function drop({ vendor, org }: Account, report: string): void {
    sql.dropStaged.run(vendor, org, report);
    sql.dropReading.run(vendor, org, report);
  }

  const reading = ({ vendor, org }: Account, report: string): Row | undefined =>
    sql.reading.get(vendor, org, report) as Row | undefined;

  return {
    path: where,
    bookmark(account, window, query) {
      const found = attempt("cannot be read", () => reading(account, window.report));
      if (found?.query === hashOf(window, query)) return String(found.cursor);
      transact(() => drop(account, window.report));
      return undefined;
    },
    keep(account, window, query, { rows, next, buckets }) {
      transact(() => {
        const before = reading(account, window.report);
        const all = [...readBuckets(before?.buckets), ...(buckets ?? [])];
        stage(account, window.report, rows);
        sql.putReading.run(
          account.vendor,
          account.org,
          window.report,
          hashOf(window, query),
          next ?? "",
          buckets === undefined ? null : JSON.stringify(all),
        );
      });
    },
    forget: (account, report) => transact(() => drop(account, report)),
    settle(account, { name, supersedes = [] }, window, { rows, buckets }, now) {
      return transact(() => {
        const { vendor, org } = account;
        const kept = readBuckets(reading(account, name)?.buckets);
        stage(account, name, rows);
        const days = buckets === undefined ? daysOf(window) : daysOf(window).filter(among([...kept, ...buckets]));
        const end = window.until;
        const changed = new Set(
          (sql.changed.all(vendor, org, name, window.from, end) as Row[]).map(({ start }) => Number(start)),
        );
        sql.merge.run(vendor, org, name, window.from, end, now);
        for (const day of days) {
          let gone = Number(sql.removed.run(vendor, org, name, day).changes);
          for (const other of supersedes) gone += Number(sql.superseded.run(vendor, org, other, day).changes);
          if (gone > 0) changed.add(day);
          sql.cover.run(vendor, org, name, day, now);
        }
        drop(account, name);
        return [...changed].sort((a, b) => a - b);
      });
    },
    readAt({ vendor, org }, report, from, until) {
      const rows = attempt("cannot be read", () => sql.covered.all(vendor, org, report, from, until) as Row[]);
      return new Map(rows.map(({ day, read_at }) => [Number(day), Number(read_at)]));
    },
    lastDay({ vendor, org }) {
      const { day } = attempt("cannot be read", () => sql.lastCovered.get(vendor, org) as Row);
      return day === null ? undefined : Number(day);
    },
    vendors: () => attempt("cannot be read", () => (sql.vendors.all() as Row[]).map(({ vendor }) => String(vendor))),
    rows: (vendor, from, until) =>
      attempt("cannot be read", () => (sql.rows.all(vendor, from, until) as Row[]).map(readRow)),
    run(vendor) {
      const row = attempt("cannot be read", () => sql.run.get(vendor) as Row | undefined);
      if (row === undefined) return undefined;
      const finished = row.finished === null ? undefined : Number(row.finished);
      return { wanted: String(row.wanted), started: Number(row.started), finished };
    },
    putRun: (vendor, { wanted, started, finished }) =>
      transact(() => void sql.putRun.run(vendor, wanted, started, finished ?? null)),
    points(sink, vendor, day) {
      const rows = attempt("cannot be read", () => sql.points.all(sink, vendor, day) as Row[]);
      return new Map(rows.map(({ tags, nano }) => [String(tags), BigInt(String(nano))]));
    },
    putPoints: (sink, vendor, day, points) =>
      transact(() => {
        for (const [tags, nano] of points) sql.putPoint.run(sink, vendor, day, tags, nano);
      }),
    upload(vendor, day) {
      const row = attempt("cannot be read", () => sql.upload.get(vendor, day) as Row | undefined);
      return row && { content: String(row.content), file: row.file === null ? undefined : String(row.file) };
    },
    putUpload: (vendor, day, { content, file }) =>
      transact(() => void sql.putUpload.run(vendor, day, content, file ?? null)),
    fact<T>(vendor: string, name: string) {
      const row = attempt("cannot be read", () => sql.fact.get(vendor, name) as Row | undefined);
      return row && (JSON.parse(String(row.json)) as T);
    },
    putFact: (vendor, name, value) => transact(() => void sql.putFact.run(vendor, name, JSON.stringify(value))),
    close() {
      if (db.isOpen) db.close();
      unlock();
    },
  };
}
