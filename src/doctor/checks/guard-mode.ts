import { isGuarded } from "../../process/enforcement.ts";
import type { Check } from "./check.ts";

export const guardMode: Check = {
  name: "guard-mode",
  group: "guard",
  says: "budgets that are set are kept to",
  *check({ configuration: { config } }) {
    const { mode = "enforce", caps } = config;
    const subject = `mode ${mode}`;
    const budgets = caps.length === 1 ? "1 budget" : `${caps.length} budgets`;
    if (mode === "off" && caps.length > 0)
      yield {
        id: "guard-off",
        level: "note",
        subject,
        says: `${budgets} in the configuration, and nothing is checked`,
        fix: "SPENDFUSE_MODE=enforce",
      };
    else if (mode === "shadow" && caps.length > 0)
      yield {
        id: "guard-shadow",
        level: "note",
        subject,
        says: `${budgets} in the configuration: what would be refused is recorded, and passes`,
        fix: "SPENDFUSE_MODE=enforce",
      };
    else if (!isGuarded(config))
      yield { id: "guard", level: "ok", subject: "guard", says: "off: no budget, store or breaker is configured" };
    else
      yield {
        id: "guard",
        level: "ok",
        subject,
        says: caps.length === 0 ? "no budgets: circuits alone" : `${budgets} in force`,
      };
  },
};
