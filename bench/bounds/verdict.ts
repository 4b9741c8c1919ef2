import type { Bound } from "../bound.ts";
import { runProgram } from "../program.ts";
import { median } from "../race.ts";

/** What the guard takes to let a call pass, far from a cap, with 100,000 scopes that have a budget each. */
export const verdict: Bound = {
  limit: 1_000,
  unit: "ns",
  async measure() {
    return median((await runProgram("verdicts.ts", ["100000"])) as number[]);
  },
};
