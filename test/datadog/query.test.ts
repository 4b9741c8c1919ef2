import { describe, expect, test } from "vitest";
import { parseExpression } from "../../src/datadog/query/expression.ts";
import { bindVariables, compileFilter, parseFilter } from "../../src/datadog/query/filter.ts";
import { parseMonitorQuery } from "../../src/datadog/query/monitor-query.ts";
import { toTags } from "../../src/sandbox/series/tags.ts";

describe("monitor queries", () => {
  test.each([
    ["sum(last_1h):sum:a.b{*} by {agent}.as_count() > 20", { aggregator: "sum", threshold: 20, comparator: ">" }],
    ["avg(last_5m):avg:a{x:y,!z:w} >= 0.5", { aggregator: "avg", threshold: 0.5, comparator: ">=" }],
    ["min(last_10080m):min:a{*} < -1", { window: { type: "last", seconds: 604_800 }, threshold: -1 }],
    ["max(last_1w):max:a{*} by {x,y} <= 1e3", { window: { type: "last", seconds: 604_800 }, threshold: 1_000 }],
    ["sum(current_1mo):sum:a{*}.as_count() > 5", { window: { type: "current", period: "month" } }],
    ["change(sum(last_5m),1h_ago):sum:a{*} > 1", { change: { as: "change", shift: 3_600 } }],
    ["pct_change(avg(last_1h),1d_ago):avg:a{*} > 50", { change: { as: "pct_change", shift: 86_400 } }],
  ])("%s", (query, expected) => {
    const read = parseMonitorQuery(query);
    expect(read).toMatchObject(expected);
    const { start, end } = read.thresholdAt;
    expect(Number(query.slice(start, end))).toBe(read.threshold);
  });

  test.each([
    ["sum(last_1h):sum:a{*} > .5", "must be a number"],
    ["sum(last_1h):sum:a{*}", "needs a comparison"],
    ["sum(last_1h):sum:a{*} > 5 5", "not expected after the threshold"],
    ["sum(last_0m):sum:a{*} > 5", "no window"],
    ["sum(last_200h):sum:a{*} > 5", "no window"],
    ["med(last_1h):sum:a{*} > 5", "no time aggregator"],
    ["sum(last_1h):p95:a{*} > 5", "no space aggregator"],
    ["sum(last_1h):sum:a > 5", "needs a filter"],
    ["sum(last_1h):sum:a{*} by agent > 5", "needs tags"],
    ["sum(last_1h):sum:a{*} by {a b} > 5", "no tag to group by"],
    ["sum(last_1h):(sum:a{*} > 5", "parentheses"],
    ["sum(last_1h):sum:a{* > 5", "never closed"],
    ["change(sum(last_5m),7m_ago):sum:a{*} > 1", "no shift"],
    ["sum(last_1h):sum:a{*} # > 5", "belongs to no query"],
    ["", "too early"],
  ])("%s is refused", (query, why) => {
    expect(() => parseMonitorQuery(query)).toThrow(why);
  });

  test("a fault says where it is", () => {
    expect(() => parseMonitorQuery("sum(last_1h):sum:a{:x} > 5")).toThrow("(at character 20)");
  });
});

describe("expressions", () => {
  test("multiplication binds first, and operations to the left", () => {
    const sign = (text: string) => {
      const read = parseExpression(text);
      return read.kind === "operation" ? [read.sign, read.right] : read;
    };
    expect(sign("a - b * 2")).toMatchObject(["-", { sign: "*" }]);
    expect(sign("a - b - c")).toMatchObject(["-", { name: "c" }]);
    expect(sign("(a - b) / c")).toMatchObject(["/", { name: "c" }]);
  });

  test("methods stand behind queries, names and parentheses", () => {
    for (const text of ["sum:a{*}.rollup(sum, 60).fill(zero)", "query1.rollup(sum, 60)", "(a + b).rollup(avg, 60)"])
      expect(parseExpression(text)).toMatchObject({ kind: "call", method: true });
  });
});

describe("filters", () => {
  const tags = toTags(["agent:flights", "team:travel", "env:prod", "quality:reported", "role:a", "role:b"]);
  test.each([
    ["*", true],
    ["agent:flights", true],
    ["agent:hotels", false],
    ["agent:flights,team:travel", true],
    ["agent:flights,!team:travel", false],
    ["!agent:hotels", true],
    ["agent:fl*", true],
    ["agent:*ts", true],
    ["agent:f*x", false],
    ["agent:hotels OR team:travel", true],
    ["agent:hotels OR team:search", false],
    ["agent:flights AND (team:search OR env:prod)", true],
    ["NOT env:prod", false],
    ["agent IN (hotels,flights)", true],
    ["agent NOT IN (hotels,flights)", false],
    ["quality IN (estimated,unknown) AND env:prod", false],
    ["role:b", true],
    ["Agent:Flights", false],
    ["agent:Flights", true],
    ["missing:*", false],
  ])("%s: %s", (text, expected) => {
    expect(compileFilter(parseFilter(text))(tags)).toBe(expected);
  });

  test.each(["agent:a team:b", "agent:a AND", "(agent:a", "agent IN a", "agent IN ()", ",", "agent:a)"])(
    "%s is refused",
    (text) => {
      expect(() => parseFilter(text)).toThrow();
    },
  );

  test("a tag may have no value", () => {
    expect(parseFilter("agent,team:b")).toMatchObject({ of: [{ key: "agent", value: "" }, { key: "team" }] });
  });

  test("variables are everything, or what they are bound to", () => {
    const bound = (value: string) =>
      compileFilter(bindVariables(parseFilter("$agent,env:prod"), () => ({ key: "agent", value })))(tags);
    expect([bound("*"), bound("Flights"), bound("hotels")]).toEqual([true, true, false]);
    const keyed = bindVariables(parseFilter("team:$who.value"), () => ({ key: "agent", value: "travel" }));
    expect(compileFilter(keyed)(tags)).toBe(true);
  });
});
