import { isGuarded } from "../../process/enforcement.ts";
import { note, ok } from "../finding.ts";
import type { Check } from "./check.ts";

/** Configured budgets are enforced. */
export const guardMode: Check = {
  name: "guard-mode",
  group: "guard",
  *check({ configuration: { config } }) {
    const { mode = "enforce", caps } = config;
    const subject = `mode ${mode}`;
    const budgets = caps.length === 1 ? "1 budget" : `${caps.length} budgets`;
    if (mode === "off" && caps.length > 0)
      yield note(
        "guard-off",
        subject,
        `${budgets} in the configuration, and nothing is checked`,
        "SPENDFUSE_MODE=enforce",
      );
    else if (mode === "shadow" && caps.length > 0)
      yield note(
        "guard-shadow",
        subject,
        `${budgets} in the configuration: what would be refused is recorded, and passes`,
        "SPENDFUSE_MODE=enforce",
      );
    else if (!isGuarded(config)) yield ok("guard", "guard", "off: no budget, store or breaker is configured");
    else yield ok("guard", subject, caps.length === 0 ? "no budgets: circuits alone" : `${budgets} in force`);
  },
};
