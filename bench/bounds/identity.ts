import type { Bound } from "../bound.ts";
import { runRace } from "../program.ts";
import { median } from "../race.ts";

/**
 * CPU that it takes to find out who makes a call, as a part of one span and two metric records: with nothing around,
 * three agents of a framework deep, and five spans deep. Each call asks once.
 */
const around = (column: 0 | 1 | 2): Bound => ({
  unit: "%",
  async measure() {
    const rows = await runRace("identity.ts", [], 2);
    return 100 * median(rows.map((row) => (row[column] as number) / (row[3] as number)));
  },
});

export const identity: Bound = around(0);
export const identityAgents: Bound = around(1);
export const identitySpans: Bound = around(2);
