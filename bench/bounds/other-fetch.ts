import type { Bound } from "../bound.ts";
import { measurePaired, median } from "../paired.ts";

const FETCHES = 200_000;

/** CPU nanoseconds that a fetch costs more that is no model call. */
export const otherFetch: Bound = {
  unit: "ns",
  async measure() {
    const options = { turns: 20, warmUp: 4, processes: 2 };
    const rows = await measurePaired(
      "other-fetch",
      [
        ["bare", String(FETCHES)],
        ["metered", String(FETCHES)],
      ],
      options,
    );
    return (median(rows.map(([bare = 0, metered = 0]) => metered - bare)) * 1_000) / FETCHES;
  },
};
