import type { Bound } from "../bound.ts";
import { runRace } from "../program.ts";
import { median } from "../race.ts";

/** CPU that metering adds to a call that is answered whole, as a multiple of one span and two metric records. */
export const call: Bound = {
  limit: 1.5,
  unit: "×",
  async measure() {
    const rows = await runRace("calls.ts", [], 4);
    const added = median(rows.map(([bare = 0, metered = 0]) => metered - bare));
    const floor = median(rows.map(([bare = 0, , recorded = 0]) => recorded - bare));
    return added / floor;
  },
};
