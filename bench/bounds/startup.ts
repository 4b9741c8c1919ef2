import type { Bound } from "../bound.ts";
import { runProgram } from "../program.ts";
import { median } from "../race.ts";

const RUNS = 40;

const REGISTER = new URL("../../dist/register.js", import.meta.url).href;

/** Milliseconds that `--import spendfuse/register` delays the first line of an app. */
export const startup: Bound = {
  limit: 40,
  unit: "ms",
  async measure() {
    const bare: number[] = [];
    const metered: number[] = [];
    for (let i = 0; i < RUNS; i++) {
      bare.push((await runProgram("first-line.mjs")) as number);
      metered.push((await runProgram("first-line.mjs", [], ["--import", REGISTER])) as number);
    }
    return median(metered) - median(bare);
  },
};
