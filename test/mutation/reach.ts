import { appendFileSync } from "node:fs";
import { afterAll, expect } from "vitest";

// A setup file of the run without any mutant: it notes which of them each file of tests reaches, and how long that takes.

const { MUTATION_REACH: path, MUTATION_SWITCH: from } = process.env;
const began = performance.now();

afterAll(async () => {
  const { reached } = (await import(from as string)) as typeof import("./switch.ts");
  const { testPath } = expect.getState();
  const line = { testPath, ms: performance.now() - began, reached: [...reached] };
  appendFileSync(path as string, `${JSON.stringify(line)}\n`);
});
