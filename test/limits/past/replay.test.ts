import { describe, expect, test } from "vitest";
import type { BudgetConfig } from "../../../src/core/config-types.ts";
import { nestScope, type ScopeFields } from "../../../src/core/scope.ts";
import { readBudget } from "../../../src/limits/budget.ts";
import type { PastCall } from "../../../src/limits/past/past-call.ts";
import { replay, replayRuns } from "../../../src/limits/past/replay.ts";

const USD = 1e9;
const MINUTE = 60_000;
const START = Date.UTC(2026, 10, 2, 9);

/** A call that begins `minute` minutes after {@link START} and cost `usd`. */
function call(minute: number, usd: number, scope: ScopeFields, more: Partial<PastCall> = {}): PastCall {
  return {
    at: START + minute * MINUTE,
    node: nestScope(undefined, scope),
    isDay: false,
    completed: true,
    usd: usd * USD,
    tokens: 100,
    seconds: 1_000,
    calls: 1,
    ...more,
  };
}

const of = (...rows: readonly BudgetConfig[]) => rows.flatMap(readBudget);
const ANY: BudgetConfig = { name: "run", scope: { agent: "*" }, per: "run", usd: 1 };

/**
 * Known by hand. With $1 a run: `a` spends 0.6, then 0.5 is refused, and 0.2 with it; it had finished. `b` stays at 0.9.
 * `c` is refused its first call, and had failed. In all 0.7 + 3 of 5.2 are saved.
 */
const LEDGER: readonly PastCall[] = [
  call(0, 0.6, { agent: "researcher", run: "a" }),
  call(1, 0.4, { agent: "researcher", run: "b" }),
  call(2, 0.5, { agent: "researcher", run: "a" }),
  call(3, 0.5, { agent: "researcher", run: "b" }),
  call(4, 0.2, { agent: "researcher", run: "a" }),
  call(90, 3, { agent: "planner", run: "c" }, { completed: false }),
];

const shown = (played: ReturnType<typeof replay>) =>
  played.stops.map(({ run, scope, at, before, saved, calls, finished }) => [
    run ?? scope,
    at === undefined ? undefined : (at - START) / MINUTE,
    before / USD,
    Math.round(saved) / USD,
    calls,
    finished,
  ]);

describe("replay on a ledger known by hand", () => {
  test("a cap a run: which, when, what it saves, what it breaks", () => {
    const played = replay(of(ANY), LEDGER);
    expect([played.spent / USD, played.calls, played.runs, played.finished]).toEqual([5.2, 6, 3, 2]);
    expect(shown(played)).toEqual([
      ["a", 2, 0.6, 0.7, 2, true],
      ["c", 90, 0, 3, 1, false],
    ]);
  });

  test("whatever the order of the input", () => {
    expect(shown(replay(of(ANY), [...LEDGER].reverse()))).toEqual(shown(replay(of(ANY), LEDGER)));
  });

  test.each<readonly [what: string, budget: BudgetConfig, stops: readonly unknown[]]>([
    ["a cap that is just reached stops nothing", { ...ANY, usd: 3 }, []],
    ["an hour ends, and its spend with it", { per: "hour", usd: 2.2 }, [["c", 90, 0, 3, 1, false]]],
    ["a moving window does not end with the hour", { per: "2h", usd: 4 }, [["c", 90, 0, 3, 1, false]]],
    ["one agent alone", { scope: { agent: "planner" }, per: "day", usd: 1 }, [["c", 90, 0, 3, 1, false]]],
    ["calls", { scope: { agent: "*" }, per: "day", calls: 4 }, [["a", 4, 1.1, 0.2, 1, true]]],
    ["tokens", { scope: { agent: "*" }, per: "day", tokens: 499 }, [["a", 4, 1.1, 0.2, 1, true]]],
    [
      "what is kept for finalise() is not for ordinary calls",
      { ...ANY, usd: 1, finalisation: 0.15 },
      [
        ["a", 2, 0.6, 0.7, 2, true],
        ["b", 3, 0.4, 0.5, 1, true],
        ["c", 90, 0, 3, 1, false],
      ],
    ],
  ])("%s", (_, budget, stops) => {
    expect(shown(replay(of(budget), LEDGER))).toEqual(stops);
  });

  test("what one budget refuses takes nothing from another", () => {
    const played = replay(of(ANY, { name: "day", per: "day", usd: 1.5 }), LEDGER);
    // 0.6 + 0.4 + 0.5 of `a` and `b` are the whole of the day's cap: `a` is stopped by its own, and `b` fits.
    expect(played.stops.map(({ run, budget }) => [run, budget.name])).toEqual([
      ["a", "run"],
      ["c", "run"],
    ]);
  });

  test("calls that name no run are refused one by one, and tried by no cap a run", () => {
    const calls = [0.6, 0.6, 0.3, 0.3].map((usd, minute) => call(minute, usd, { agent: "researcher" }));
    const played = replay(of({ per: "hour", usd: 1, scope: { agent: "*" } }, ANY), calls);
    expect(shown(played)).toEqual([["agent:researcher", 1, 0.6, 0.9, 2, undefined]]);
    expect(played.untried.map(({ budget, calls: some }) => [budget.name, some])).toEqual([["run", 4]]);
  });

  test("a sub-agent's calls count for the agent around it, whose run they end", () => {
    const calls = [0.6, 0.6].map((usd, minute) =>
      call(minute, usd, { agent: "flights", parents: ["planner"], run: "x" }),
    );
    const played = replay(of({ scope: { agent: "planner" }, per: "run", usd: 1 }), calls);
    expect(shown(played)).toEqual([["x", 1, 0.6, 0.6, 1, true]]);
  });

  test("of a day's total as much is spent as there is room; hours and runs cannot be tried", () => {
    const days = [0, 1, 2].map((day) => call(day * 1_440, 4, { agent: "researcher" }, { isDay: true, calls: 8 }));
    const day = replay(of({ scope: { agent: "*" }, per: "day", usd: 3 }), days);
    expect(shown(day).map((row) => row.slice(2, 5))).toEqual(days.map(() => [3, 1, 2]));
    const month = replay(of({ scope: { agent: "*" }, per: "month", usd: 6 }), days);
    expect(shown(month)).toEqual([["agent:researcher", 1_440, 6, 6, 12, undefined]]);
    const hour = replay(of({ per: "hour", usd: 1 }, ANY), days);
    expect([hour.stops, hour.untried.map(({ calls }) => calls)]).toEqual([[], [24, 24]]);
  });

  test("runs of which a store counted the sum alone", () => {
    const [budget] = of(ANY);
    if (budget === undefined) throw new Error("no budget");
    const runs = [0.4, 1, 2.5].map((usd, index) => ({ budget, scope: "agent:a", run: `${index}`, spent: usd * USD }));
    expect(replayRuns([budget], runs)).toMatchObject([{ run: "2", before: USD, saved: 1.5 * USD, at: undefined }]);
    expect(replayRuns(of({ ...ANY, usd: 0.5 }), runs).map(({ saved }) => saved / USD)).toEqual([0.5, 2]);
  });
});
