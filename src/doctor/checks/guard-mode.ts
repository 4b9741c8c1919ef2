import { isGuarded } from "../../process/enforcement.ts";
import { counted, note, ok } from "../finding.ts";
import type { Check } from "./check.ts";

const ENFORCE = "SPENDFUSE_MODE=enforce";

/** Configured budgets are enforced. */
export const guardMode: Check = {
  name: "guard-mode",
  group: "guard",
  *check({ configuration: { config } }) {
    const { mode = "enforce", caps } = config;
    const subject = `mode ${mode}`;
    const budgets = counted(caps.length, "budget");
    if (mode === "off" && caps.length > 0)
      yield note("guard-off", subject, `${budgets} configured, none is checked`, ENFORCE);
    else if (mode === "shadow" && caps.length > 0)
      yield note(
        "guard-shadow",
        subject,
        `${budgets} configured: calls over budget are recorded, not refused`,
        ENFORCE,
      );
    else if (!isGuarded(config)) yield ok("guard", "guard", "off: no budget, store or breaker is configured");
    else yield ok("guard", subject, caps.length === 0 ? "no budgets, only circuits" : `${budgets} enforced`);
  },
};
