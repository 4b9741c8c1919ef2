import { describe, expect, test } from "vitest";
import { readAssets } from "../../src/datadog/assets.ts";
import { projected } from "../../src/limits/projection.ts";
import { createStage } from "./stage.ts";

const START = Date.UTC(2026, 10, 1);
const END = Date.UTC(2026, 11, 1);
const DAY = 1_440;
const CAP = 3_000;
const TAGS = ["budget:b", "scope:team:t"];

/**
 * A month of spend, as a process reports it every ten minutes, through the shipped monitor.
 * @param spentOn What is spent on a day, evenly; the first is 0.
 * @returns The days on which the monitor told, with what it said.
 */
async function month(spentOn: (day: number) => number): Promise<readonly string[]> {
  const body = readAssets().find(({ name }) => name === "budget_forecast")?.json as Record<string, unknown>;
  const stage = createStage({ start: START / 1_000 });
  stage.engine.sync([{ id: 7, body }]);
  let spent = 0;
  await stage.run(30 * DAY, (minute) => {
    if (minute % 10 !== 0) return;
    const now = START + minute * 60_000;
    stage.write("spendfuse.budget.limit", minute, CAP, TAGS, "gauge");
    stage.write(
      "spendfuse.budget.month_projection",
      minute,
      projected({ start: START, end: END, spent }, now),
      TAGS,
      "gauge",
    );
    spent += spentOn(Math.floor(minute / DAY)) / (DAY / 10);
  });
  expect(stage.refused).toBeUndefined();
  return stage.lines.map((line) => {
    const [minute, , transition] = line.split(" ");
    return `day ${Math.floor(Number(minute) / DAY) + 1} ${transition}`;
  });
}

describe("this month will pass its budget", () => {
  test.each<[string, (day: number) => number, readonly string[]]>([
    ["a quiet month", () => 20, []],
    ["a month just within its budget", () => 99, []],
    ["nothing is spent", () => 0, []],
    // 4,500 at the end, and the cap is reached after 20 days.
    ["too much from the first day on", () => 150, ["day 8 Triggered"]],
    ["too much for three days, early in the month", (day) => (day < 3 ? 150 : 40), []],
    // A spike is in the mean for a while: until 540 + 60 days are 95 % of 100 days.
    ["a spike in the first days", (day) => (day === 1 ? 600 : 60), ["day 8 Triggered", "day 16 Recovered"]],
    ["a tenth of the budget on one day", (day) => (day === 9 ? 300 : 50), []],
    ["a quarter on one day", (day) => (day === 9 ? 750 : 50), ["day 11 Triggered", "day 16 Recovered"]],
    // 98 % of the budget at the end: below the cap, and not below the recovery threshold.
    ["half of it on one day", (day) => (day === 9 ? 1_500 : 50), ["day 11 Triggered"]],
    ["too much in the second half", (day) => (day < 15 ? 60 : 200), ["day 23 Triggered"]],
    ["all of it in the first hours", (day) => (day === 0 ? 3_600 : 0), ["day 2 Triggered"]],
  ])("%s", async (_, spentOn, said) => {
    expect(await month(spentOn)).toEqual(said);
  });
});
