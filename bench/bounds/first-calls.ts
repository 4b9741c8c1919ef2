import type { Bound } from "../bound.ts";
import { runProgram } from "../program.ts";

const PROCESSES = 7;

/**
 * CPU that metering adds to a call among the first 2,000 of a fresh process, as a multiple of one span and two metric
 * records there. The quietest process of each variant, because a busy machine only ever adds; a difference within one
 * process may be too small as well, where the machine was busier beside the smaller.
 */
export const firstCalls: Bound = {
  limit: 2,
  unit: "×",
  async measure() {
    const rows: number[][] = [];
    for (let i = 0; i < PROCESSES; i++) rows.push((await runProgram("first-calls.ts")) as number[]);
    const [bare, metered, recorded] = [0, 1, 2].map((variant) =>
      Math.min(...rows.map((row) => row[variant] as number)),
    );
    return ((metered as number) - (bare as number)) / ((recorded as number) - (bare as number));
  },
};
