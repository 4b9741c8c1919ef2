import { describe, expect, test } from "vitest";
import { createMonthToDate } from "../../src/billing/points.ts";
import type { BillLine } from "../../src/billing/reconcile/reconcile.ts";
import { METRICS } from "../../src/core/names.ts";

const DAY = Date.UTC(2026, 10, 2);
const names = { project: (id: string) => id, key: (id: string) => id, links: new Map<string, string>() };

function line(project: string): BillLine {
  const bearer = { agent: "a", rootAgent: "a" } as unknown as BillLine["bearer"];
  const amounts = { billed: 3_000_000_000n, metered: 2_000_000_000n, tokens: 0n };
  return { project, key: "", model: "m", bearer, ...amounts, reasons: { unknown: 1_000_000_000n } as object, why: {} };
}

describe("the drift of a bill, which a monitor groups by vendor and project", () => {
  test.each([
    ["help_desk", "help_desk"],
    ["", "none"],
  ])('of the project "%s" has the tag project:%s', (project, tag) => {
    const month = createMonthToDate("openrouter", names);
    month.add(DAY, [line(project)]);
    const points = month.points(DAY);
    expect(points.filter(({ metric }) => metric === METRICS.driftRatio)).toEqual([
      { metric: METRICS.driftRatio, tags: { vendor: "openrouter", project: tag }, at: DAY, value: 0.5 },
    ]);
    // The bill itself has only tags that it has.
    const billed = points.find(({ metric }) => metric === METRICS.billedMonthToDate);
    expect(billed?.tags.project).toBe(project || undefined);
  });
});
