import { describe, expect, test } from "vitest";
import { nestScope } from "../../../src/core/scope.ts";
import type { PastCall } from "../../../src/limits/past/past-call.ts";
import { percentileOf, spendPerWindow, suggest } from "../../../src/limits/past/suggest.ts";

const USD = 1e9;
const DAY = 86_400_000;

function call(at: number, usd: number, agent: string, run?: string): PastCall {
  const node = nestScope(undefined, { agent, ...(run !== undefined && { run }) });
  return { at, node, isDay: false, completed: true, usd: usd * USD, tokens: 1, calls: 1, seconds: 0 };
}

describe("suggested caps", () => {
  test.each([
    [[5], 50, 5],
    [[1, 2], 50, 1],
    [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 90, 9],
    [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 91, 10],
    [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 99, 10],
    [[], 90, 0],
  ])("the percentile of %j at %d is %d", (sorted, percentile, amount) => {
    expect(percentileOf(sorted, percentile)).toBe(amount);
  });

  test("a run's calls are one sample, whatever their number; windows without spend are none", () => {
    const calls = [call(0, 1, "a", "x"), call(DAY, 2, "a", "x"), call(0, 4, "a", "y"), call(0, 0, "a", "z")];
    expect(spendPerWindow(calls, "agent", { kind: "run" })).toEqual(new Map([["agent:a", [3 * USD, 4 * USD]]]));
    expect(spendPerWindow(calls, "agent", { kind: "day" })).toEqual(new Map([["agent:a", [5 * USD, 2 * USD]]]));
  });

  test("caps are rounded up to two digits, and say what they stop", () => {
    const spent = new Map([["agent:a", Array.from({ length: 100 }, (_, index) => (index + 1) * 0.0123 * USD)]]);
    expect(suggest(spent, [50, 95])).toEqual([
      {
        scope: "agent:a",
        samples: 100,
        median: 0.615 * USD,
        most: 1.23 * USD,
        caps: [
          { percentile: 50, cap: 0.62 * USD, stopped: 50 },
          { percentile: 95, cap: 1.2 * USD, stopped: 3 },
        ],
      },
    ]);
  });
});
