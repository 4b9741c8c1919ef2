import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { command as breaker } from "../../src/cli/commands/breaker.ts";
import { unknownVariables } from "../../src/config/variables.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/running.md"), "utf8");

test("the recipes name only variables that exist", () => {
  const names = [...new Set(page.match(/SPENDFUSE_[A-Z_]+/g))];
  expect(names.length).toBeGreaterThan(5);
  expect(unknownVariables(Object.fromEntries(names.map((name) => [name, "1"])))).toEqual([]);
});

test("the recipes in YAML parse, and the breaker's command has options that exist", () => {
  const blocks = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
  const documents = blocks.flatMap((text) => parseAllDocuments(text));
  expect(documents.length).toBe(3);
  expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
  const options = /command: \["npx", "spendfuse", "breaker", (.*)\]/.exec(page)?.[1]?.match(/--[a-z-]+/g);
  expect(options).toEqual(["--host", "--store"]);
  for (const option of options ?? []) expect(breaker.help).toContain(option);
});
