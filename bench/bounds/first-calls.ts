import type { Bound } from "../bound.ts";
import { runProgram } from "../program.ts";

const PROCESSES = 7;

/**
 * CPU that metering adds to a call among the first 2,000 of a fresh process, as a multiple of one span and two metric
 * records there. The quietest process of each, because a busy machine only ever adds.
 */
export const firstCalls: Bound = {
  limit: 2,
  unit: "×",
  async measure() {
    const rows: number[][] = [];
    for (let i = 0; i < PROCESSES; i++) rows.push((await runProgram("first-calls.ts")) as number[]);
    const added = Math.min(...rows.map(([bare = 0, metered = 0]) => metered - bare));
    const floor = Math.min(...rows.map(([bare = 0, , recorded = 0]) => recorded - bare));
    return added / floor;
  },
};
