import type { Bound } from "../bound.ts";
import { measurePaired, median } from "../paired.ts";

/** CPU that metering adds to a call that is answered whole, as a multiple of one span and two metric records. */
export const call: Bound = {
  limit: 1.5,
  unit: "×",
  async measure() {
    const rows = await measurePaired("calls", [["bare"], ["metered"], ["floor"]], {
      turns: 40,
      warmUp: 12,
      processes: 4,
    });
    const added = median(rows.map(([bare = 0, metered = 0]) => metered - bare));
    const floor = median(rows.map(([bare = 0, , recorded = 0]) => recorded - bare));
    return added / floor;
  },
};
