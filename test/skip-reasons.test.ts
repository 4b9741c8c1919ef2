import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { conditionsOf, reasonOf, reasonsOf, skippedLines } from "./skip-reasons.ts";

const files = globSync("test/**/*.test.ts", { exclude: ["test/apps/**", "test/real/**", "test/skip-reasons.test.ts"] });

test.each(files.flatMap((path) => conditionsOf(readFileSync(path, "utf8")).map((condition) => [path, condition])))(
  "%s: a test that is skipped for %s has a reason that people understand",
  (_path, condition = "") => {
    expect(reasonOf(condition)).toBeDefined();
  },
);

test("conditions are found in all their forms", () => {
  const source = [
    'describe.skipIf(chromium === undefined)("x", () => {});',
    'test.runIf(program).each([1])("x", () => {});',
    'const it = test.skipIf(name === "redis" && NO_REDIS !== undefined);',
    '  if (recordedExchanges === undefined) test.skip("x", () => {});',
  ].join("\n");
  expect(conditionsOf(source).length).toBeGreaterThanOrEqual(3);
  expect(reasonsOf(source)).toContain("Chromium is not installed");
  expect(reasonsOf(source)).toContain("redis-server is not installed");
  expect(reasonsOf("test('x', () => {})")).toContain("the test says why");
});

test("the end of a run says why beside the figure, the most frequent first", () => {
  const skipped = new Map([
    ["Chromium is not installed", 3],
    ["redis-server is not installed", 20],
  ]);
  expect(skippedLines(skipped)).toEqual([
    "  20 skipped: redis-server is not installed",
    "  3 skipped: Chromium is not installed",
  ]);
});
