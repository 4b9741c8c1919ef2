import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BudgetConfig, BudgetScope } from "../../src/core/config-types.ts";
import { readDuration, readPeriod, spanAt } from "../../src/core/period.ts";
import { nestScope } from "../../src/core/scope.ts";
import { type Budget, readBudget, scopesOf } from "../../src/limits/budget.ts";
import { joinKey, readParts, writePart } from "../../src/limits/scope-text.ts";

const AT = Date.UTC(2026, 10, 30, 23, 59, 59, 999);

describe("a row of the configuration", () => {
  test("is one cap for each unit, in integers", () => {
    const row: BudgetConfig = {
      scope: { agent: "*" },
      per: "hour",
      usd: 1.5,
      calls: 10,
      warnAt: 0.8,
      finalisation: 0.2,
      trip: "15m",
    };
    expect(readBudget(row)).toMatchObject([
      { id: "agent:*/hour/usd", unit: "usd", cap: 1_500_000_000, warnAt: 1_200_000_000, ordinary: 1_200_000_000 },
      { id: "agent:*/hour/calls", unit: "calls", cap: 10, warnAt: 8, ordinary: 8, tripMs: 900_000 },
    ]);
    // Another cap is the same budget: a shared store goes on counting when it is raised.
    expect(readBudget({ ...row, usd: 3 })).toMatchObject([{ id: "agent:*/hour/usd" }, {}]);
    expect(readBudget({ ...row, name: "mine" })).toMatchObject([{ id: "mine/hour/usd", name: "mine" }, {}]);
  });
});

test("shares may be nothing and all, and a cap may be nothing", () => {
  expect(readBudget({ calls: 0, per: "day", warnAt: 1, finalisation: 0 })).toMatchObject([
    { cap: 0, warnAt: 0, ordinary: 0 },
  ]);
  expect(readBudget({ calls: 100, per: "day", warnAt: 0, finalisation: 0.99 })).toMatchObject([
    { warnAt: 0, ordinary: 1 },
  ]);
  expect(readBudget({ calls: 1, per: "day" })).toMatchObject([
    { name: "all per day", warnAt: undefined, tripMs: undefined },
  ]);
});

describe("the scopes of a call that a budget counts for", () => {
  const planner = nestScope(undefined, { agent: "planner", team: "travel", run: "7" });
  const flights = nestScope(planner, { agent: "flights" });
  const of = (scope: BudgetScope) => scopesOf(readBudget({ scope, per: "hour", usd: 1 })[0]!, flights);

  test.each([
    [{}, ["all"]],
    [{ agent: "*" }, ["agent:planner", "agent:flights"]],
    [{ agent: "planner" }, ["agent:planner"]],
    [{ agent: "hotels" }, []],
    [{ root_agent: "*" }, ["root_agent:planner"]],
    [{ team: "travel", agent: "flights" }, ["team:travel,agent:flights"]],
    [{ team: "search", agent: "*" }, []],
    [{ run: "*" }, ["run:7"]],
    [{ user: "*" }, []],
  ])("%j", (scope, scopes) => {
    expect([...of(scope)].sort()).toEqual([...scopes].sort());
  });
});

describe("windows", () => {
  test.each([
    ["hour", Date.UTC(2026, 11, 1)],
    ["day", Date.UTC(2026, 11, 1)],
    ["month", Date.UTC(2026, 11, 1)],
  ])("the last moment of a %s, and the first of the next", (per, end) => {
    const period = readPeriod(per)!;
    expect(spanAt(period, AT, "").end).toBe(end);
    expect(spanAt(period, AT + 1, "").current).not.toBe(spanAt(period, AT, "").current);
    expect(spanAt(period, AT + 1, "").end).toBeGreaterThan(end);
  });

  test("a moving window moves by its tenth, and never covers less than itself", () => {
    const period = readPeriod("10m")!;
    const { current, earlier, end } = spanAt(period, AT, "");
    expect(earlier).toHaveLength(10);
    expect(new Set([current, ...earlier]).size).toBe(11);
    expect(end).toBe(AT + 1);
    expect(spanAt(period, AT + 1, "").earlier[0]).toBe(current);
    // What was spent just before the window began is let go only when all of its part is too old.
    expect(spanAt(period, AT + 600_000, "").earlier).toContain(current);
    expect(spanAt(period, AT + 600_001, "").earlier).not.toContain(current);
  });

  test("a run has no end", () => {
    expect(spanAt({ kind: "run" }, AT, "42")).toEqual({ current: "42", earlier: [], start: 0, end: undefined });
  });

  test.each([
    ["50ms", 50],
    ["1.5s", 1_500],
    ["15m", 900_000],
    ["24h", 86_400_000],
    ["7d", 604_800_000],
    ["minute", undefined],
    ["15", undefined],
    ["-1m", undefined],
    [15, undefined],
  ])("the duration %j", (text, ms) => {
    expect(readDuration(text)).toBe(ms);
  });
});

describe("scopes and keys as text", () => {
  const text = fc.string({ unit: fc.constantFrom("a", ",", "|", "%", "2", "C", "5", "7", ":"), maxLength: 8 });

  test("different parts are written differently, and read back as they were", () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 3 }), (parts) => {
        expect(readParts(parts.map(writePart).join(","))).toEqual(parts);
      }),
    );
  });

  test("different texts have different keys", () => {
    const texts = fc.array(text, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(texts, texts, (one, other) => {
        expect(joinKey(...one) === joinKey(...other)).toBe(JSON.stringify(one) === JSON.stringify(other));
      }),
      { numRuns: 1_000 },
    );
  });

  test("a user's name is never read as a scope of several parts", () => {
    const [budget] = readBudget({ scope: { user: "*" }, per: "month", usd: 1 });
    const node = nestScope(undefined, { agent: "a", user: "bob,agent:victim" });
    expect(scopesOf(budget as Budget, node)).toEqual(["user:bob%2Cagent:victim"]);
  });
});
