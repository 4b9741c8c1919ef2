import type { Bound } from "../bound.ts";
import { runProgram } from "../program.ts";

/** Memory that an open stream holds beyond what the SDK's own holds. */
export const openStreamMemory: Bound = {
  limit: 2,
  unit: "KB",
  async measure() {
    const held = async (how: string) => (await runProgram("open-streams.ts", [how], ["--expose-gc"])) as number;
    return ((await held("metered")) - (await held("bare"))) / 1_024;
  },
};
