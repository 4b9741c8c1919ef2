import type { DatabaseSync } from "node:sqlite";

/** Money is an integer of nano-USD; it is read as text, because it may be too large for a number. */
export const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA cache_size = -8000;
  CREATE TABLE IF NOT EXISTS rows (
    vendor TEXT NOT NULL, org TEXT NOT NULL, start INTEGER NOT NULL, report TEXT NOT NULL, dims TEXT NOT NULL,
    nano INTEGER, list_nano INTEGER, counts TEXT, seen_at INTEGER NOT NULL,
    PRIMARY KEY (vendor, org, start, report, dims)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS staged (
    vendor TEXT NOT NULL, org TEXT NOT NULL, report TEXT NOT NULL, start INTEGER NOT NULL, dims TEXT NOT NULL,
    nano INTEGER, list_nano INTEGER, counts TEXT,
    PRIMARY KEY (vendor, org, report, start, dims)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS readings (
    vendor TEXT NOT NULL, org TEXT NOT NULL, report TEXT NOT NULL, query TEXT NOT NULL, cursor TEXT NOT NULL,
    buckets TEXT, PRIMARY KEY (vendor, org, report)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS coverage (
    vendor TEXT NOT NULL, org TEXT NOT NULL, report TEXT NOT NULL, day INTEGER NOT NULL, read_at INTEGER NOT NULL,
    PRIMARY KEY (vendor, org, report, day)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS runs (
    vendor TEXT PRIMARY KEY, wanted TEXT NOT NULL, started INTEGER NOT NULL, finished INTEGER
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS points (
    sink TEXT NOT NULL, vendor TEXT NOT NULL, at INTEGER NOT NULL, tags TEXT NOT NULL, nano INTEGER NOT NULL,
    PRIMARY KEY (sink, vendor, at, tags)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS uploads (
    vendor TEXT NOT NULL, day INTEGER NOT NULL, content TEXT NOT NULL, file TEXT, PRIMARY KEY (vendor, day)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS facts (
    vendor TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL, PRIMARY KEY (vendor, name)
  ) WITHOUT ROWID;
`;

const SAME_ROW = "rows.nano IS s.nano AND rows.list_nano IS s.list_nano AND rows.counts IS s.counts";
const OF_REPORT = "vendor = ?1 AND org = ?2 AND report = ?3";
const STAGED = `FROM staged s WHERE s.${OF_REPORT.replaceAll("AND ", "AND s.")}`;
const TWIN = "rows.vendor = s.vendor AND rows.org = s.org AND rows.report = s.report";

/** Every statement of the book. */
export function prepare(db: DatabaseSync) {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),

    stage: db.prepare(`INSERT OR IGNORE INTO staged VALUES (?, ?, ?, ?, ?, ?, ?, ?)`),
    staged: db.prepare(
      `SELECT CAST(nano AS TEXT) AS nano, CAST(list_nano AS TEXT) AS list_nano, counts FROM staged
       WHERE ${OF_REPORT} AND start = ?4 AND dims = ?5`,
    ),
    restage: db.prepare(
      `UPDATE staged SET nano = ?6, list_nano = ?7, counts = ?8 WHERE ${OF_REPORT} AND start = ?4 AND dims = ?5`,
    ),
    dropStaged: db.prepare(`DELETE FROM staged WHERE ${OF_REPORT}`),
    reading: db.prepare(`SELECT query, cursor, buckets FROM readings WHERE ${OF_REPORT}`),
    putReading: db.prepare("INSERT OR REPLACE INTO readings VALUES (?, ?, ?, ?, ?, ?)"),
    dropReading: db.prepare(`DELETE FROM readings WHERE ${OF_REPORT}`),

    changed: db.prepare(
      `SELECT DISTINCT s.start AS start ${STAGED} AND s.start >= ?4 AND s.start < ?5 AND NOT EXISTS (
         SELECT 1 FROM rows WHERE ${TWIN} AND rows.start = s.start AND rows.dims = s.dims AND ${SAME_ROW})`,
    ),
    merge: db.prepare(
      `INSERT OR REPLACE INTO rows (vendor, org, start, report, dims, nano, list_nano, counts, seen_at)
       SELECT vendor, org, start, report, dims, nano, list_nano, counts, ?6 ${STAGED} AND s.start >= ?4 AND s.start < ?5
       AND NOT EXISTS (
         SELECT 1 FROM rows WHERE ${TWIN} AND rows.start = s.start AND rows.dims = s.dims AND ${SAME_ROW})`,
    ),
    removed: db.prepare(
      `DELETE FROM rows WHERE ${OF_REPORT} AND start = ?4 AND NOT EXISTS (
         SELECT 1 FROM staged s WHERE ${TWIN} AND s.start = rows.start AND s.dims = rows.dims)`,
    ),
    superseded: db.prepare(`DELETE FROM rows WHERE ${OF_REPORT} AND start = ?4`),
    cover: db.prepare("INSERT OR REPLACE INTO coverage VALUES (?, ?, ?, ?, ?)"),
    covered: db.prepare(`SELECT day, read_at FROM coverage WHERE ${OF_REPORT} AND day >= ?4 AND day < ?5`),
    lastCovered: db.prepare(`SELECT MAX(day) AS day FROM coverage WHERE vendor = ? AND org = ?`),

    rows: db.prepare(
      `SELECT report, start, dims, CAST(nano AS TEXT) AS nano, CAST(list_nano AS TEXT) AS list_nano, counts FROM rows
       WHERE vendor = ? AND start >= ? AND start < ?`,
    ),
    vendors: db.prepare("SELECT DISTINCT vendor FROM rows"),
    run: db.prepare("SELECT wanted, started, finished FROM runs WHERE vendor = ?"),
    putRun: db.prepare("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)"),

    points: db.prepare("SELECT tags, CAST(nano AS TEXT) AS nano FROM points WHERE sink = ? AND vendor = ? AND at = ?"),
    putPoint: db.prepare("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?)"),
    upload: db.prepare("SELECT content, file FROM uploads WHERE vendor = ? AND day = ?"),
    putUpload: db.prepare("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)"),
    fact: db.prepare("SELECT json FROM facts WHERE vendor = ? AND name = ?"),
    putFact: db.prepare("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)"),
  };
}
