import type { DatabaseSync } from "node:sqlite";
import { SpendfuseError } from "../../core/errors.ts";

/** Of the tables of the file store, as SQLite's `user_version`. Files from before there was one have 0, and the tables of 1. */
export const SCHEMA_VERSION = 1;

/** @throws SpendfuseError `SPENDFUSE_STORE` for a file of a later version, which is left as it is. */
export function refuseLater(db: DatabaseSync, path: string): void {
  const version = versionOf(db);
  if (version <= SCHEMA_VERSION) return;
  const message = `the store ${path} has schema version ${version}, written by a later spendfuse; this one reads up to ${SCHEMA_VERSION}: update spendfuse here, or name another file`;
  throw new SpendfuseError("SPENDFUSE_STORE", message, { path, version, known: SCHEMA_VERSION });
}

/** Writes our version where an older one stands. Where that fails, because another process writes, the next one does it. */
export function markVersion(db: DatabaseSync): void {
  if (versionOf(db) >= SCHEMA_VERSION) return;
  try {
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  } catch {
    // The tables are the same: nothing depends on it yet.
  }
}

function versionOf(db: DatabaseSync): number {
  const row = db.prepare("PRAGMA user_version").get() as { readonly user_version?: unknown } | undefined;
  return Number(row?.user_version ?? 0);
}
