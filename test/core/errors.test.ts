import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

test("the page of error codes names the cause and the fix of each", () => {
  const union = /export type ErrorCode =([^;]*);/.exec(read("src/core/errors.ts"))?.[1] ?? "";
  const codes = [...union.matchAll(/"(\w+)"/g)].map(([, code]) => code);
  expect(codes.length).toBeGreaterThan(5);
  const rows = [...read("docs/errors.md").matchAll(/^\| `(\w+)` \| ([^|]{20,}) \| ([^|]{10,}) \|$/gm)];
  expect(rows.map(([, code]) => code)).toEqual(codes);
});
