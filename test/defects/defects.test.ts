import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DEFECTS } from "./defects.ts";
import { ROOT } from "./working-copy.ts";

// `npm run defects` puts them in and runs the tests; here it is only seen that it can.

test.each(DEFECTS)("$name: its text stands once in $file", ({ file, find, replace, tests }) => {
  const parts = readFileSync(join(ROOT, file), "utf8").split(find);
  expect(parts).toHaveLength(2);
  expect(replace).not.toBe(find);
  expect(tests.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test("no two rows are of one name", () => {
  expect(new Set(DEFECTS.map(({ name }) => name)).size).toBe(DEFECTS.length);
});
