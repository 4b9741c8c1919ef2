import type { Bound } from "../bound.ts";
import { measurePaired, median } from "../paired.ts";

/** CPU that metering adds to streams of 200 chunks, whole calls with everything in them, in % of the bare SDK's. */
export function chunkBound(caller: string, limit?: number): Bound {
  return {
    ...(limit !== undefined && { limit }),
    unit: "%",
    async measure() {
      const variants = [
        [caller, "bare"],
        [caller, "metered"],
      ];
      const rows = await measurePaired("streams", variants, { turns: 40, warmUp: 12, processes: 4 });
      return median(rows.map(([bare = 0, metered = 0]) => (metered / bare - 1) * 100));
    },
  };
}
