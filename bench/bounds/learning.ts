import type { Bound } from "../bound.ts";
import { runProgram } from "../program.ts";

/** What learning from a call of a conversation of up to 20 turns takes. */
export const learning: Bound = {
  limit: 2,
  unit: "us",
  measure: async () => ((await runProgram("learning.ts", ["time"])) as number) / 1_000,
};

/** What is kept of a conversation that may go on. */
export const learningMemory: Bound = {
  limit: 200,
  unit: "B",
  measure: async () => (await runProgram("learning.ts", ["memory"], ["--expose-gc"])) as number,
};
