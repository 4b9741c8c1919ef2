import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

// A folder of each test file's own: what earlier runs have learned and spooled must not change what a test sees.
const folder = mkdtempSync(join(tmpdir(), "spendfuse-test-"));
const before = process.env.TMPDIR;
process.env.TMPDIR = folder;

afterAll(() => {
  if (before === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before;
  // What a test left running may still write into it.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
});
