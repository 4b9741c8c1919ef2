import { chmodSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { SpendfuseError } from "../../core/errors.ts";
import { fixOf } from "../../stores/file/faults.ts";
import { markVersion, refuseLater, type Schema } from "../../stores/file/schema-version.ts";
import { inTransaction } from "../../stores/file/transaction.ts";
import { lockBook } from "./lock.ts";
import type { Row } from "./rows.ts";
import { prepare, SCHEMA } from "./tables.ts";

const TABLES: Schema = { what: "the book of bills", version: 1 };

type Statements = ReturnType<typeof prepare>;

/** An open book. */
export interface BookFile {
  /** Absolute. */
  readonly path: string;
  readonly db: DatabaseSync;
  readonly sql: Statements;
  readonly unlock: () => void;
}

export interface BookFileOptions {
  readonly alone: boolean;
  readonly maxPages?: number | undefined;
}

/** @throws SpendfuseError `SPENDFUSE_STORE` when it cannot be opened, is damaged, or has another poller. */
export async function openFile(file: string, options: BookFileOptions): Promise<BookFile> {
  const path = resolve(file);
  // Loaded on demand: before Node 24 it warns that it is experimental.
  const { DatabaseSync } = await import("node:sqlite");
  attempt(path, "cannot be opened", () => mkdirSync(dirname(path), { recursive: true, mode: 0o700 }));
  const unlock = options.alone ? lockBook(DatabaseSync, path) : () => {};
  try {
    return attempt(path, "cannot be opened", () => {
      const db = new DatabaseSync(path, { timeout: 5_000 });
      return { path, db, sql: prepareDatabase(db, path, options), unlock };
    });
  } catch (error) {
    unlock();
    throw error;
  }
}

/** Creates missing tables and checks the file; closes it when that fails. */
function prepareDatabase(db: DatabaseSync, path: string, { alone, maxPages }: BookFileOptions): Statements {
  try {
    refuseLater(db, path, TABLES);
    db.exec(SCHEMA);
    if (alone) markVersion(db, TABLES);
    if (alone) chmodSync(path, 0o600);
    if (maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${Math.ceil(maxPages)}`);
    const check = db.prepare("PRAGMA quick_check(1)").get() as Row;
    if (check.quick_check !== "ok") throw new Error(`the database is malformed (${check.quick_check})`);
    return prepare(db);
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Runs one query. @throws SpendfuseError `SPENDFUSE_STORE`. */
export function read<T>({ path, sql }: BookFile, query: (sql: Statements) => T): T {
  return attempt(path, "cannot be read", () => query(sql));
}

/** Runs changes in one transaction. @throws SpendfuseError `SPENDFUSE_STORE`. */
export function transact<T>({ path, db, sql }: BookFile, run: () => T): T {
  return attempt(path, "cannot be written", () => inTransaction(db, sql, run));
}

export function closeFile({ db, unlock }: BookFile): void {
  if (db.isOpen) db.close();
  unlock();
}

function attempt<T>(path: string, what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw error instanceof SpendfuseError ? error : bookError(path, what, error);
  }
}

function bookError(path: string, what: string, cause: unknown): SpendfuseError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const fix = /not a database|malformed|corrupt/i.test(reason)
    ? "; move it away and run spendfuse poll --from DATE: the vendors still have every row"
    : fixOf(reason);
  return new SpendfuseError("SPENDFUSE_STORE", `${path} ${what}: ${reason}${fix}`, { path }, cause);
}
