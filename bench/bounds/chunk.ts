import type { Bound } from "../bound.ts";
import { runRace } from "../program.ts";
import { median } from "../race.ts";

/** CPU that metering adds to streams of 200 chunks, whole calls with everything in them, in % of the bare SDK's. */
export function chunkBound(caller: string, limit?: number): Bound {
  return {
    ...(limit !== undefined && { limit }),
    unit: "%",
    async measure() {
      const rows = await runRace("streams.ts", [caller], 4);
      return median(rows.map(([bare = 0, metered = 0]) => (metered / bare - 1) * 100));
    },
  };
}
