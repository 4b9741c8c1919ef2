import { chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import { SpendfuseError } from "../../core/errors.ts";
import type { Change } from "../store.ts";
import { fixOf, isBroken, isBusy } from "./faults.ts";
import { markVersion, refuseLater, type Schema } from "./schema-version.ts";
import { prepare, SCHEMA, type Statements } from "./tables.ts";
import { inTransaction } from "./transaction.ts";
import { RETRIES } from "./turns.ts";

/** An open database, and who is notified of changes to it. */
export interface Connection {
  /** Absolute. */
  readonly path: string;
  readonly Database: typeof DatabaseSync;
  db: DatabaseSync;
  sql: Statements;
  /** Names the file that is open: another file at the same path has another one. */
  inode: bigint;
  /** Counts the files that were opened. */
  generation: number;
  /** When the file was last looked for, in milliseconds of `performance.now()`. */
  lookedAt: number;
  readonly listeners: Set<(change: Change) => void>;
  /** The last operation failed, and not because another process held the lock. */
  failing: boolean;
  /** The database must be opened again before it can be used. */
  broken: boolean;
}

/** How long an operation blocks the process while another one writes; after that it waits without blocking. */
const BUSY_MS = 5;
const OPEN_BUSY_MS = 200;
const TABLES: Schema = { what: "the store", version: 1 };
/** How often it is checked that the file is still there; before each change it always is. */
const LOOK_MS = 100;

/** @throws SpendfuseError `SPENDFUSE_STORE` when the file cannot be opened, or is not a spendfuse store. */
export async function openConnection(file: string): Promise<Connection> {
  const path = resolve(file);
  // Loaded on demand: before Node 24 it warns that it is experimental.
  const { DatabaseSync: Database } = await import("node:sqlite");
  const db = await openDatabase(Database, path);
  try {
    const sql = prepare(db);
    return {
      path,
      Database,
      db,
      sql,
      inode: inodeOf(path),
      generation: 0,
      lookedAt: performance.now(),
      listeners: new Set(),
      failing: false,
      broken: false,
    };
  } catch (error) {
    throw storeError(path, "is not a spendfuse store", error);
  }
}

/** Processes that start at the same time lock each other out: the first one creates the tables, the others retry. */
async function openDatabase(Database: typeof DatabaseSync, path: string): Promise<DatabaseSync> {
  for (let tries = 0; ; tries++) {
    try {
      return openNow(Database, path);
    } catch (error) {
      if (error instanceof SpendfuseError) throw error;
      if (!isBusy(error) || tries === RETRIES) throw storeError(path, "cannot be opened", error);
      await wait(10 + Math.random() * 40);
    }
  }
}

function openNow(Database: typeof DatabaseSync, path: string): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // SQLite gives the files beside it the same mode.
  closeSync(openSync(path, "a", 0o600));
  for (const end of ["", "-wal", "-shm"]) if (existsSync(path + end)) chmodSync(path + end, 0o600);
  const db = new Database(path, { timeout: OPEN_BUSY_MS });
  try {
    refuseLater(db, path, TABLES);
    db.exec(SCHEMA);
    markVersion(db, TABLES);
    db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Runs one operation, and notifies listeners when the store starts or stops failing. A failure may be temporary: the
 * disk was full, or another process held the lock. A file that was deleted is made again, for the next operation.
 * @throws SpendfuseError `SPENDFUSE_STORE`.
 */
export function use<T>(connection: Connection, run: () => T, everyMs = LOOK_MS): T {
  try {
    if (connection.broken || isGone(connection, everyMs)) reopen(connection);
    const result = run();
    if (connection.failing) queueMicrotask(() => notify(connection, { type: "back" }));
    connection.failing = false;
    return result;
  } catch (cause) {
    if (isBusy(cause)) throw storeError(connection.path, "is busy", cause);
    if (isBroken(cause)) connection.broken = true;
    const error = cause instanceof SpendfuseError ? cause : storeError(connection.path, "cannot be used", cause);
    if (!connection.failing) queueMicrotask(() => notify(connection, { type: "away", error }));
    connection.failing = true;
    throw error;
  }
}

function isGone(connection: Connection, everyMs: number): boolean {
  const now = performance.now();
  if (now - connection.lookedAt < everyMs) return false;
  connection.lookedAt = now;
  return inodeOf(connection.path) !== connection.inode;
}

/** 0 when there is no file. */
function inodeOf(path: string): bigint {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino ?? 0n;
}

/** Opens the file at the path again. Throws in any case: whoever holds statements of the old one must start anew. */
function reopen(connection: Connection): never {
  const { Database, path } = connection;
  const isDeleted = inodeOf(path) === 0n;
  connection.broken = true;
  if (connection.db.isOpen) connection.db.close();
  const db = openNow(Database, path);
  connection.db = db;
  connection.sql = prepare(db);
  connection.inode = inodeOf(path);
  connection.generation += 1;
  connection.broken = false;
  const what = isDeleted ? "was deleted while in use; it is made again" : "was replaced or failed; it is opened again";
  throw new SpendfuseError("SPENDFUSE_STORE", `the store ${path} ${what}`, { path });
}

/** As {@link use}, in one transaction. */
export function transact<T>(connection: Connection, run: () => T): T {
  return use(connection, () => inTransaction(connection.db, connection.sql, run), 0);
}

export function notify({ listeners }: Connection, change: Change): void {
  for (const listener of listeners) listener(change);
}

function storeError(path: string, what: string, cause: unknown): SpendfuseError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SpendfuseError("SPENDFUSE_STORE", `the store ${path} ${what}: ${reason}${fixOf(reason)}`, { path }, cause);
}
