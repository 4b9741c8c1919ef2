import { type Bound, SCALE } from "../bound.ts";
import { runProgram } from "../program.ts";

const CALLS = 100_000;

/** Growth of the heap over calls of all kinds and endings, after everything that is kept has filled up. */
export const soak: Bound = {
  limit: 512,
  unit: "KB",
  async measure() {
    return ((await runProgram("soak.ts", [String(CALLS * SCALE)], ["--expose-gc"])) as number) / 1_024;
  },
};
