import type { DatabaseSync } from "node:sqlite";
import { array, object, parse } from "../../core/json.ts";
import { emptyTally, type Holding, isAmount, type Tally } from "../../limits/tally.ts";

export const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS tallies (key TEXT PRIMARY KEY, json TEXT NOT NULL, forget_at REAL NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS circuits (scope TEXT PRIMARY KEY, rev INTEGER NOT NULL, json TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, json TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS metered (
    day INTEGER NOT NULL, holder TEXT NOT NULL, key TEXT NOT NULL, sums TEXT NOT NULL, PRIMARY KEY (day, holder, key)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS late_calls (
    day INTEGER NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL, settlement TEXT, PRIMARY KEY (day, id)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS minutes (
    hour INTEGER NOT NULL, holder TEXT NOT NULL, key TEXT NOT NULL, sums TEXT NOT NULL, PRIMARY KEY (hour, holder, key)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS turns (
    key TEXT PRIMARY KEY, given_at REAL NOT NULL, due REAL NOT NULL, forget_at REAL NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS signals (seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, json TEXT NOT NULL);
`;

/** A row of a table. */
export interface Row {
  readonly [column: string]: unknown;
}

export type Statements = ReturnType<typeof prepare>;

/** Every statement of the store. */
export function prepare(db: DatabaseSync) {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    version: db.prepare("PRAGMA data_version"),
    tally: db.prepare("SELECT json FROM tallies WHERE key = ?"),
    tallies: db.prepare("SELECT key, json FROM tallies WHERE forget_at > ?"),
    putTally: db.prepare("INSERT OR REPLACE INTO tallies VALUES (?, ?, ?)"),
    forget: db.prepare("DELETE FROM tallies WHERE forget_at <= ?"),
    circuit: db.prepare("SELECT json FROM circuits WHERE scope = ?"),
    circuits: db.prepare("SELECT scope, json FROM circuits"),
    putCircuit: db.prepare("INSERT OR REPLACE INTO circuits VALUES (?, ?, ?)"),
    dropCircuit: db.prepare("DELETE FROM circuits WHERE scope = ?"),
    addAudit: db.prepare("INSERT INTO audit (json) VALUES (?)"),
    trimAudit: db.prepare("DELETE FROM audit WHERE seq <= (SELECT MAX(seq) FROM audit) - ?"),
    audit: db.prepare("SELECT json FROM audit ORDER BY seq DESC LIMIT ?"),
    putMetered: db.prepare("INSERT OR REPLACE INTO metered VALUES (?, ?, ?, ?)"),
    forgetMetered: db.prepare("DELETE FROM metered WHERE day < ?"),
    metered: db.prepare("SELECT key, sums FROM metered WHERE day >= ? AND day < ?"),
    putLateCall: db.prepare(
      "INSERT INTO late_calls (day, id, json) VALUES (?, ?, ?) ON CONFLICT (day, id) DO UPDATE SET json = excluded.json",
    ),
    lateCalls: db.prepare("SELECT json, settlement FROM late_calls WHERE day >= ? AND day < ?"),
    settle: db.prepare("UPDATE late_calls SET settlement = ?3 WHERE day = ?1 AND id = ?2 AND settlement IS NULL"),
    settlement: db.prepare("SELECT settlement FROM late_calls WHERE day = ? AND id = ?"),
    forgetLateCalls: db.prepare("DELETE FROM late_calls WHERE day < ?"),
    putMinute: db.prepare("INSERT OR REPLACE INTO minutes VALUES (?, ?, ?, ?)"),
    minutes: db.prepare("SELECT key, sums FROM minutes WHERE hour >= ? AND hour < ?"),
    forgetMinutes: db.prepare("DELETE FROM minutes WHERE hour < ?"),
    turn: db.prepare("SELECT given_at, due FROM turns WHERE key = ?"),
    putTurn: db.prepare("INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?)"),
    forgetTurns: db.prepare("DELETE FROM turns WHERE forget_at <= ?"),
    addSignal: db.prepare("INSERT INTO signals (at, json) VALUES (?, ?)"),
    trimSignals: db.prepare("DELETE FROM signals WHERE at < ?"),
    signals: db.prepare("SELECT seq, json FROM signals WHERE seq > ? ORDER BY seq"),
    lastSignal: db.prepare("SELECT COALESCE(MAX(seq), 0) AS seq FROM signals"),
  };
}

type Written = readonly [
  base: number,
  tightUntil: number,
  holders: readonly (readonly [string, Holding])[],
  quietUntil: number,
];

export function writeTally({ base, tightUntil, holders, quietUntil }: Tally): string {
  const written: Written = [base, tightUntil, [...holders], quietUntil];
  return JSON.stringify(written);
}

/** Whatever cannot be read is left out, and the tally marked as damaged. Never throws. */
export function readTally(json: string): Tally {
  const tally = emptyTally();
  const written = parse(json);
  if (!Array.isArray(written)) return { ...tally, damaged: true };
  const [base, tightUntil, holders, quietUntil] = written as readonly unknown[];
  if (isAmount(base)) tally.base = base;
  else tally.damaged = true;
  if (isAmount(tightUntil)) tally.tightUntil = tightUntil;
  if (isAmount(quietUntil)) tally.quietUntil = quietUntil;
  if (!Array.isArray(holders)) return { ...tally, damaged: true };
  for (const entry of holders) {
    const [name, holding] = array(entry);
    if (typeof name === "string" && isHolding(holding)) tally.holders.set(name, holding);
    else tally.damaged = true;
  }
  return tally;
}

function isHolding(value: unknown): value is Holding {
  const { spent, inUse, slice, until } = object(value) ?? {};
  return isAmount(spent) && isAmount(inUse) && isAmount(slice) && isAmount(until);
}
