import { isBelow } from "../facts/version.ts";
import { type Facts, usedOf } from "../facts.ts";
import { ok } from "../finding.ts";
import { exportsMetrics } from "../own-telemetry.ts";
import { INSTRUMENTATIONS } from "../tables/instrumentations.ts";
import type { Check } from "./check.ts";

/** From here on the SDK makes spans of its own, once the app has a tracer provider. */
const ANTHROPIC_SPANS = "0.134";

/** Other instrumentations, why nothing is counted twice, and what they are known to do wrong. */
export const instrumentations: Check = {
  name: "instrumentations",
  group: "instrumentations",
  *check(facts) {
    for (const { package: row, title, beside, defects = [] } of INSTRUMENTATIONS) {
      const used = usedOf(facts, row);
      const [first] = used;
      if (first === undefined) continue;
      const subject = first.installed === undefined ? first.name : `${first.name} ${first.installed.version}`;
      const more = used.length > 1 ? ` and ${used.length - 1} more` : "";
      yield ok("instrumentation-beside", subject, `${first.name === title ? "" : `${title}${more}: `}${beside}`);
      for (const { id, says, fix, holds } of defects) if (holds(facts)) yield { id, level: "note", subject, says, fix };
    }
    if (hasAnthropicSpans(facts))
      yield ok(
        "instrumentation-beside",
        "@anthropic-ai/sdk's spans",
        "the SDK makes a span of each call by itself: that one is filled, none is added; one record, one cost",
      );
  },
};

function hasAnthropicSpans(facts: Facts): boolean {
  const found = facts.packages.get("@anthropic-ai/sdk");
  const isOff = facts.env.ANTHROPIC_OPEN_TELEMETRY?.trim() === "false";
  return found !== undefined && !isBelow(found.version, ANTHROPIC_SPANS) && exportsMetrics(facts) && !isOff;
}
