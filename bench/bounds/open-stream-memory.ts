import type { Bound } from "../bound.ts";
import { runProgram } from "../program.ts";

/**
 * Memory that an open stream holds beyond what the SDK's own holds. Of it 0.7 KB on Node 26, 1.3 KB on Node 24, are a
 * stream of the runtime's own in front of the body: without one, what looks into the runtime's state of a stream goes
 * unmetered, and on Node 26 fails.
 */
export const openStreamMemory: Bound = {
  limit: 3,
  unit: "KB",
  async measure() {
    const held = async (how: string) => (await runProgram("open-streams.ts", [how], ["--expose-gc"])) as number;
    return ((await held("metered")) - (await held("bare"))) / 1_024;
  },
};
