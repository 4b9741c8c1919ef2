import type { DatabaseSync } from "node:sqlite";
import { SpendfuseError } from "../../core/errors.ts";

/** Of the tables of a database, as SQLite's `user_version`. Files from before there was one have 0, and the tables of 1. */
export interface Schema {
  /** What the database is, in errors: `the store`. */
  readonly what: string;
  /** The latest version that we read. */
  readonly version: number;
}

/** @throws SpendfuseError `SPENDFUSE_STORE` for a file of a later version, which is left as it is. */
export function refuseLater(db: DatabaseSync, path: string, { what, version: known }: Schema): void {
  const version = versionOf(db);
  if (version > known) throw laterVersion(`${what} ${path}`, "file", { path, version, known });
}

/** The error for what a later spendfuse wrote. `other`: what to name instead where this one cannot be updated. */
export function laterVersion(
  subject: string,
  other: string,
  facts: { readonly version: number; readonly known: number } & Readonly<Record<string, unknown>>,
): SpendfuseError {
  const message = `${subject} has schema version ${facts.version}, written by a later spendfuse; this one reads up to ${facts.known}: update spendfuse here, or name another ${other}`;
  return new SpendfuseError("SPENDFUSE_STORE", message, facts);
}

/** Writes our version where an older one stands. Where that fails, because another process writes, the next one does it. */
export function markVersion(db: DatabaseSync, { version }: Schema): void {
  if (versionOf(db) >= version) return;
  try {
    db.exec(`PRAGMA user_version = ${version}`);
  } catch {
    // The tables are the same: nothing depends on it yet.
  }
}

function versionOf(db: DatabaseSync): number {
  const row = db.prepare("PRAGMA user_version").get() as { readonly user_version?: unknown } | undefined;
  return Number(row?.user_version ?? 0);
}
