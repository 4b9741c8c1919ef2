import type { Bound } from "../bound.ts";
import { runRace } from "../program.ts";
import { median } from "../race.ts";

const FETCHES = 50_000;

/**
 * CPU nanoseconds that a fetch costs more that is no model call: our hook, and the look at what goes around it. Others
 * than POSTs are not looked at closely.
 */
const others = (method: string): Bound => ({
  unit: "ns",
  async measure() {
    const rows = await runRace("other-fetch.ts", [method, String(FETCHES)], 2);
    return (median(rows.map(([bare = 0, metered = 0]) => metered - bare)) * 1_000) / FETCHES;
  },
});

export const otherFetch: Bound = others("GET");
export const otherPost: Bound = others("POST");
