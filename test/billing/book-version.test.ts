import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openBook } from "../../src/billing/book.ts";

const DAY = Date.UTC(2026, 10, 28);
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "spendfuse-book-version-"));
  path = join(folder, "bills.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

function version(): number {
  const db = new DatabaseSync(path);
  const row = db.prepare("PRAGMA user_version").get() as { user_version: number };
  db.close();
  return row.user_version;
}

function run(sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

test("a book of an earlier version keeps what is in it, and has the version once it was opened to write", async () => {
  // How it was made is told in `../stores/fixtures/README.md`.
  run(readFileSync(new URL("fixtures/book.sql", import.meta.url), "utf8"));
  const reader = await openBook(path, { alone: false });
  reader.close();
  expect(version()).toBe(0);
  const book = await openBook(path, { alone: true });
  const account = { vendor: "openai", org: "org-1" };
  expect(book.rows("openai", DAY, DAY + 1)).toEqual([
    expect.objectContaining({ report: "costs 1d", start: DAY, nano: 12_345_678_901n }),
  ]);
  expect(book.lastDay(account)).toBe(DAY);
  expect(book.run("openai")).toMatchObject({ wanted: "w" });
  expect([...book.points("datadog", "openai", DAY)]).toEqual([["project:proj_1", 12_345_678_901n]]);
  expect(book.fact("openai", "org")).toEqual({ id: "org-1" });
  book.close();
  expect(version()).toBe(1);
});

test.each([true, false])("a book of a later version is refused, and left as it is (to write: %s)", async (alone) => {
  (await openBook(path, { alone: true })).close();
  run("PRAGMA user_version = 2");
  const before = readFileSync(path);
  await expect(openBook(path, { alone })).rejects.toMatchObject({
    code: "SPENDFUSE_STORE",
    message: expect.stringMatching(/^the book of bills .* has schema version 2, written by a later spendfuse.*update/),
  });
  expect(readFileSync(path).equals(before)).toBe(true);
  // Its lock is free again.
  run("PRAGMA user_version = 1");
  (await openBook(path, { alone: true })).close();
});
