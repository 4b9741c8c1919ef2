import { chmodSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import { SpendfuseError } from "../../core/errors.ts";
import type { Change } from "../store.ts";
import { fixOf, isBusy } from "./faults.ts";
import { prepare, SCHEMA, type Statements } from "./tables.ts";
import { inTransaction } from "./transaction.ts";
import { RETRIES } from "./turns.ts";

/** An open database, and who is notified of changes to it. */
export interface Connection {
  /** Absolute. */
  readonly path: string;
  readonly db: DatabaseSync;
  readonly sql: Statements;
  readonly listeners: Set<(change: Change) => void>;
  /** The last operation failed, and not because another process held the lock. */
  failing: boolean;
}

/** How long an operation blocks the process while another one writes; after that it waits without blocking. */
const BUSY_MS = 5;
const OPEN_BUSY_MS = 200;

/** @throws SpendfuseError `SPENDFUSE_STORE` when the file cannot be opened, or is not a spendfuse store. */
export async function openConnection(file: string): Promise<Connection> {
  const path = resolve(file);
  // Loaded on demand: before Node 24 it warns that it is experimental.
  const sqlite = await import("node:sqlite");
  const db = await openDatabase(sqlite.DatabaseSync, path);
  try {
    return { path, db, sql: prepare(db), listeners: new Set(), failing: false };
  } catch (error) {
    throw storeError(path, "is not a spendfuse store", error);
  }
}

/** Processes that start at the same time lock each other out: the first one creates the tables, the others retry. */
async function openDatabase(Database: typeof DatabaseSync, path: string): Promise<DatabaseSync> {
  for (let tries = 0; ; tries++) {
    let opened: DatabaseSync | undefined;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      opened = new Database(path, { timeout: OPEN_BUSY_MS });
      opened.exec(SCHEMA);
      opened.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
      chmodSync(path, 0o600);
      return opened;
    } catch (error) {
      opened?.close();
      if (!isBusy(error) || tries === RETRIES) throw storeError(path, "cannot be opened", error);
      await wait(10 + Math.random() * 40);
    }
  }
}

/**
 * Runs one operation, and notifies listeners when the store starts or stops failing. A failure may be temporary: the
 * disk was full, or another process held the lock.
 * @throws SpendfuseError `SPENDFUSE_STORE`.
 */
export function use<T>(connection: Connection, run: () => T): T {
  try {
    const result = run();
    if (connection.failing) queueMicrotask(() => notify(connection, { type: "back" }));
    connection.failing = false;
    return result;
  } catch (error) {
    if (isBusy(error)) throw storeError(connection.path, "is busy", error);
    if (!connection.failing) queueMicrotask(() => notify(connection, { type: "away" }));
    connection.failing = true;
    throw storeError(connection.path, "cannot be used", error);
  }
}

/** As {@link use}, in one transaction. */
export function transact<T>(connection: Connection, run: () => T): T {
  return use(connection, () => inTransaction(connection.db, connection.sql, run));
}

export function notify({ listeners }: Connection, change: Change): void {
  for (const listener of listeners) listener(change);
}

function storeError(path: string, what: string, cause: unknown): SpendfuseError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SpendfuseError("SPENDFUSE_STORE", `the store ${path} ${what}: ${reason}${fixOf(reason)}`, { path }, cause);
}
