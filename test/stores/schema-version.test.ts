import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openFile } from "../../src/stores/file/store.ts";

let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "spendfuse-version-"));
  path = join(dir, "spend.db");
});

afterEach(() => rmSync(dir, { recursive: true }));

function pragma(version?: number): number {
  const db = new DatabaseSync(path);
  if (version !== undefined) db.exec(`PRAGMA user_version = ${version}`);
  const row = db.prepare("PRAGMA user_version").get() as { user_version: number };
  db.close();
  return row.user_version;
}

async function fill(): Promise<void> {
  const store = await openFile(path);
  await store.putMetered("p", [
    { day: 0, key: '[0,"openai","m","","","a","a","","","reported","true"]', sums: [1, 2] },
  ]);
  await store.close();
}

test("a new file has the version of its tables", async () => {
  await (await openFile(path)).close();
  expect(pragma()).toBe(1);
});

test("a file from before there were versions keeps what is in it", async () => {
  const store = await openFile(path, { clock: () => 0 });
  await store.putMetered("p", [
    { day: 0, key: '[0,"openai","m","","","a","a","","","reported","true"]', sums: [1, 2] },
  ]);
  await store.close();
  pragma(0);
  const again = await openFile(path, { clock: () => 0 });
  expect(await again.metered(0, 1)).toEqual([expect.objectContaining({ agent: "a", calls: 1, cost: 2 })]);
  await again.close();
  expect(pragma()).toBe(1);
});

test("a file of a later version is refused, and left as it is", async () => {
  await fill();
  pragma(2);
  const before = readFileSync(path);
  await expect(openFile(path)).rejects.toMatchObject({
    code: "SPENDFUSE_STORE",
    message: expect.stringMatching(/schema version 2, written by a later spendfuse.*update spendfuse here/),
    facts: expect.objectContaining({ version: 2, known: 1 }),
  });
  expect(readFileSync(path).equals(before)).toBe(true);
});
