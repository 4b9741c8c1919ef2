import type { Bound } from "../bound.ts";
import { runRace } from "../program.ts";
import { median } from "../race.ts";

/** CPU microseconds of a refused call of the OpenAI SDK, from the call to its typed error, beside one that is answered. */
export const refusal: Bound = {
  unit: "µs",
  async measure() {
    const rows = await runRace("refusals.ts", [], 2);
    return median(rows.map(([, refused = 0]) => refused)) / 200;
  },
};
