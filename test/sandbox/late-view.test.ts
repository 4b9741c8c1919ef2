import { describe, expect, test } from "vitest";
import { readAssets } from "../../src/datadog/assets.ts";
import { widgetsOf } from "../../src/datadog/widgets.ts";
import { draw } from "../../src/sandbox/draw.ts";
import { spanOf } from "../../src/sandbox/page/span.ts";
import { createStage, START } from "./stage.ts";

const widgets = readAssets().flatMap(({ kind, json }) =>
  kind === "dashboard" ? widgetsOf(json).map(({ definition }) => definition) : [],
);

/** What a widget shows so many minutes after the last process has ended. */
function shownAfter(minutes: number, title: string) {
  const stage = createStage();
  const tags = (agent: string) => ["budget:agent_day", `scope:agent:${agent}`, `agent:${agent}`];
  for (let minute = 0; minute <= 30; minute += 1) {
    stage.now = minute;
    stage.write("spendfuse.budget.used_ratio", minute, minute / 100, tags("a"), "gauge");
    stage.write("spendfuse.budget.used_ratio", minute, 0.1, tags("b"), "gauge");
    for (const agent of ["a", "b"]) stage.write("spendfuse.budget.limit", minute, 20, tags(agent), "gauge");
    stage.write("spendfuse.budget.month_projection", minute, 25, tags("a"), "gauge");
  }
  const definition = widgets.find((one) => one.title === title);
  const [request] = (definition?.requests ?? []) as readonly object[];
  const now = START + (30 + minutes) * 60;
  const variables = Object.fromEntries(
    ["agent", "root_agent", "team", "project", "env", "service", "version"].map((name) => [name, "*"]),
  );
  const { fault, rows } = draw({ request, ...spanOf(definition?.time, "1h", now), variables, points: 60 }, stage.store);
  expect(fault).toBeUndefined();
  return rows.map(({ group, values }) => [group.join(), ...values]);
}

describe("budgets on the boards", () => {
  test.each([1, 20, 60, 180])("seen %i minutes after the last process has ended", (minutes) => {
    expect(shownAfter(minutes, "Fullest budget")).toEqual([["", expect.closeTo(0.3, 6)]]);
    expect(shownAfter(minutes, "Budgets used")).toEqual([
      ["agent_day,agent:a", expect.closeTo(0.3, 6)],
      ["agent_day,agent:b", expect.closeTo(0.1, 6)],
    ]);
    // Budget, spent, left, used, at the month's end, which only the first has.
    const money = shownAfter(minutes, "Budgets, in money");
    expect(money).toEqual([
      ["agent_day,agent:a", 20, expect.closeTo(6, 6), expect.closeTo(14, 6), expect.closeTo(0.3, 6), 25],
      ["agent_day,agent:b", 20, expect.closeTo(2, 6), expect.closeTo(18, 6), expect.closeTo(0.1, 6), null],
    ]);
  });

  test("after more than four hours nothing is claimed", () => {
    expect(shownAfter(250, "Fullest budget")).toEqual([]);
  });
});
