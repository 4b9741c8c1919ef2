import type { Bound } from "../bound.ts";
import { runProgram, runRace } from "../program.ts";
import { median } from "../race.ts";

const POINTS = 1_000;

let race: Promise<readonly (readonly number[])[]> | undefined;

/** All three are of one run: parsing an export of 1,000 points, taking it in, and evaluating 20 monitors of 1,000 groups. */
function rows(): Promise<readonly (readonly number[])[]> {
  race ??= runRace("sandbox.ts", [], 1);
  return race;
}

/** Points that are parsed and taken in, in thousands a CPU second. */
export const sandboxIntake: Bound = {
  unit: "k/s",
  measure: async () => POINTS / median((await rows()).map(([, taken = 0]) => taken / 1_000)),
};

/** Parsing and taking in, against parsing alone. */
export const sandboxIntakeRatio: Bound = {
  unit: "x",
  measure: async () => median((await rows()).map(([parsed = 1, taken = 0]) => taken / parsed)),
};

/** CPU milliseconds of evaluating 20 monitors with 1,000 groups each, windows from 5 minutes to a day. */
export const sandboxEvaluation: Bound = {
  unit: "ms",
  measure: async () => median((await rows()).map(([, , evaluated = 0]) => evaluated / 1_000)),
};

/** The same against parsing one export of these groups. */
export const sandboxEvaluationRatio: Bound = {
  unit: "x",
  measure: async () => median((await rows()).map(([parsed = 1, , evaluated = 0]) => evaluated / parsed)),
};

/** The most points held in a simulated month of 4.5 million, against the limit that was set. */
export const sandboxMonth: Bound = {
  limit: 1.1,
  unit: "x",
  async measure() {
    const printed = (await runProgram("sandbox-month.ts", [], ["--expose-gc"])) as readonly (readonly number[])[];
    const [most = 0, limit = 1, early = 0, late = 0] = printed[0] ?? [];
    console.log(
      `  sandbox-month: ${most} points at most, heap ${mega(early)} MB after 8 days, ${mega(late)} MB after 31`,
    );
    return most / limit;
  },
};

function mega(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
