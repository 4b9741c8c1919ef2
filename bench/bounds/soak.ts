import { type Bound, SCALE } from "../bound.ts";
import { printedBy } from "../printed.ts";

const CALLS = 100_000;

/** Growth of the heap over calls of all kinds and endings, after everything that is kept has filled up. */
export const soak: Bound = {
  limit: 512,
  unit: "KB",
  async measure() {
    return (await printedBy("soak", [String(CALLS * SCALE)])) / 1_024;
  },
};
