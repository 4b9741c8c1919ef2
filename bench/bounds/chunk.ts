import type { Bound } from "../bound.ts";
import { runRace } from "../program.ts";
import { median } from "../race.ts";

/** Streams so long that what a call costs once is lost in them. */
export const LONG = 1_600;
/** An answer of a few sentences; the whole call is in it. */
export const SHORT = 200;

/** CPU that metering adds to the streams of a caller, in % of the bare SDK's. */
export function chunkBound(caller: string, chunks: number, limit?: number): Bound {
  return {
    ...(limit !== undefined && { limit }),
    unit: "%",
    async measure() {
      const rows = await runRace("streams.ts", [caller, String(chunks)], 4);
      return median(rows.map(([bare = 0, metered = 0]) => (metered / bare - 1) * 100));
    },
  };
}
