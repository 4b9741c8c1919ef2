import type { Bound } from "../bound.ts";
import { printedBy } from "../printed.ts";

/** Memory that an open stream holds beyond what the SDK's own holds. */
export const openStreamMemory: Bound = {
  limit: 2,
  unit: "KB",
  async measure() {
    const bare = await printedBy("open-streams", ["bare"]);
    const metered = await printedBy("open-streams", ["metered"]);
    return (metered - bare) / 1_024;
  },
};
