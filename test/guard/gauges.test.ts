import { describe, expect, test } from "vitest";
import type { BudgetConfig } from "../../src/core/config-types.ts";
import { type Count, openCount } from "../../src/guard/budgets/budget-counter.ts";
import { createGauges } from "../../src/guard/gauges.ts";
import { readBudget } from "../../src/limits/budget.ts";
import { type Circuit, closedCircuit, nextCircuit } from "../../src/limits/circuit.ts";

const NOW = Date.UTC(2026, 10, 24, 12);

function opened(scope: string): Circuit {
  const trip = { type: "trip", source: "operator", reason: "test", by: "me", ttlMs: 60_000 } as const;
  return nextCircuit(closedCircuit(scope), trip, NOW).circuit;
}

function counted(row: BudgetConfig, scope: string, spent: number, now = NOW): Count {
  const [budget] = readBudget(row) as Exclude<ReturnType<typeof readBudget>, string>;
  return Object.assign(openCount(budget!, scope, "", now), { spent });
}

function read(open: () => readonly Circuit[], counts: readonly Count[] = [], unknown = false, now = NOW) {
  const clock = { now };
  const state = { mode: "enforce", isUnknown: () => unknown };
  const gauges = createGauges(
    open,
    counts,
    state,
    () => "me",
    () => clock.now,
  );
  const points = (name: string) => gauges().find(({ metric }) => metric.name === name)!.points;
  return { clock, points };
}

describe("open circuits", () => {
  test("are 1, and when they have closed 0 once, for all who read in that collection", () => {
    const open = [opened("agent:a")];
    const { clock, points } = read(() => open);
    const values = () => points("spendfuse.circuit.open").map(({ tags, value }) => [tags.scope, value]);
    expect(values()).toEqual([["agent:a", 1]]);
    open.pop();
    clock.now += 10_000;
    expect(values()).toEqual([["agent:a", 0]]);
    clock.now += 10_000;
    expect(values()).toEqual([]);
  });

  test("that open between two readings of one collection close as well", () => {
    const open: Circuit[] = [];
    const { clock, points } = read(() => open);
    const values = () => points("spendfuse.circuit.open").map(({ tags, value }) => [tags.scope, value]);
    expect(values()).toEqual([]);
    open.push(opened("team:t"));
    clock.now += 1_000;
    expect(values()).toEqual([["team:t", 1]]);
    open.pop();
    clock.now += 1_001;
    expect(values()).toEqual([["team:t", 0]]);
  });

  test("have a tag for each part of their scope, and none that grows with the traffic", () => {
    const { points } = read(() => ["agent:a,team:b", "all", "run:1", "agent:a,user:u"].map(opened));
    const more = { source: "operator", process: "me" };
    expect(points("spendfuse.circuit.open").map(({ tags }) => tags)).toEqual([
      { scope: "agent:a/team:b", agent: "a", team: "b", ...more },
      { scope: "all", ...more },
    ]);
  });
});

describe("used budgets", () => {
  const used = (...counts: readonly Count[]) =>
    read(() => [], counts)
      .points("spendfuse.budget.used_ratio")
      .map(({ tags, value }) => [tags.scope, value]);

  test("are a share of the cap, the fullest first", () => {
    const row = { per: "hour", calls: 10 };
    expect(used(counted(row, "agent:a", 1), counted(row, "agent:b", 12), counted(row, "agent:c", 5))).toEqual([
      ["agent:b", 1.2],
      ["agent:c", 0.5],
      ["agent:a", 0.1],
    ]);
  });

  test("of money have their cap beside them", () => {
    const { points } = read(
      () => [],
      [counted({ per: "month", usd: 20 }, "team:t", 5e9), counted({ per: "month", calls: 4 }, "team:t", 2)],
    );
    expect(points("spendfuse.budget.used_ratio").map(({ value }) => value)).toEqual([0.5, 0.25]);
    expect(points("spendfuse.budget.limit").map(({ tags, value }) => [tags.scope, value])).toEqual([["team:t", 20]]);
  });

  test.each<[string, number, BudgetConfig["per"], number | undefined]>([
    ["in the first fifth of a month what is spent", Date.UTC(2026, 10, 6), "month", 5],
    ["from then on at the mean pace", Date.UTC(2026, 10, 16), "month", 10],
    ["of a month of 31 days", Date.UTC(2026, 11, 16, 12), "month", 10],
    ["at its end what was spent", Date.UTC(2026, 11, 1) - 1, "month", 5],
    ["of a day nothing", NOW, "day", undefined],
  ])("of a month have what it will have spent: %s", (_, now, per, value) => {
    const count = counted({ per, usd: 20 }, "team:t", 5e9, now);
    const { points } = read(() => [], [count, counted({ per, calls: 4 }, "team:t", 2, now)], false, now);
    const shown = points("spendfuse.budget.month_projection").map(({ tags, value }) => [tags.scope, value]);
    expect(shown).toEqual(value === undefined ? [] : [["team:t", expect.closeTo(value, 6)]]);
  });

  test("of a cap of nothing are full", () => {
    expect(used(counted({ per: "hour", calls: 0 }, "all", 0))).toEqual([["all", 1]]);
  });

  test("of a run, and of an hour that is over, are not shown", () => {
    const over = Object.assign(counted({ per: "hour", calls: 1 }, "agent:a", 1), { end: NOW });
    const last = Object.assign(counted({ per: "hour", calls: 1 }, "agent:b", 1), { end: NOW + 1 });
    expect(used(counted({ per: "run", calls: 1 }, "agent:a", 1), over, last)).toEqual([["agent:b", 1]]);
  });

  test("are 500 at the most", () => {
    const counts = Array.from({ length: 501 }, (_, index) =>
      counted({ per: "day", calls: 1_000 }, `agent:${index}`, index),
    );
    expect(used(...counts)).toHaveLength(500);
    expect(used(...counts).at(-1)).toEqual(["agent:1", 0.001]);
  });
});

test.each([
  [false, 1],
  [true, 0],
])("a guard that does not know its state: %s", (unknown, value) => {
  const { points } = read(() => [], [], unknown);
  expect(points("spendfuse.guard.up")).toEqual([{ tags: { mode: "enforce", process: "me" }, value }]);
});

test("scopes of the user's own tags are shown where their values are", () => {
  const open = [opened("customer:acme"), opened("customer:zeta"), opened("user:1")];
  const count = counted({ per: "day", usd: 1, scope: { tags: { customer: "*" } } }, "customer:acme", 5e8);
  const shows = (name: string, value: string) => name === "customer" && value === "acme";
  const state = { mode: "enforce", isUnknown: () => false };
  const read = createGauges(
    () => open,
    [count],
    state,
    () => "me",
    () => NOW,
    shows,
  );
  const tags = read().flatMap(({ points }) => points.map((point) => [point.tags.scope, point.tags.customer]));
  expect(tags.filter(([scope]) => scope !== undefined)).toEqual([
    ["customer:acme", "acme"],
    ["customer:acme", "acme"],
    ["customer:acme", "acme"],
  ]);
});
