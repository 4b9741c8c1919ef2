import type { Lint } from "./lint.ts";

/** A recovery threshold lies beyond its alert threshold: Datadog rejects others. */
export const recoveryOrder: Lint = {
  name: "recovery-order",
  rule: "recovery thresholds lie on the quiet side of their thresholds",
  kinds: ["monitor"],
  *check({ json }) {
    const thresholds = (json.options as { thresholds?: Record<string, number> } | undefined)?.thresholds ?? {};
    const above = !/<=?\s*-?[\d.]+\s*$/.test(String(json.query));
    for (const name of ["critical", "warning"]) {
      const threshold = thresholds[name];
      const recovery = thresholds[`${name}_recovery`];
      const path = `options.thresholds.${name}_recovery`;
      if (recovery === undefined) continue;
      if (threshold === undefined) yield { path, message: `recovers from a ${name} that there is not` };
      else if (above ? recovery >= threshold : recovery <= threshold)
        yield { path, message: `${recovery} must be ${above ? "below" : "above"} the ${name} threshold ${threshold}` };
    }
  },
};
