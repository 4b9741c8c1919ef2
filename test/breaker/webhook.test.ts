import { describe, expect, test } from "vitest";
import { readScope, readWebhook } from "../../src/breaker/webhook.ts";

const NOW = Date.UTC(2026, 10, 24, 12);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const payload = (fields: object = {}): object => ({
  ...{ v: 1, monitor: "123", event: "777", transition: "Triggered", cycle: "c1" },
  ...{ scope: "agent:researcher", tags: "", at: NOW, org: "9", ...fields },
});
const read = (fields: object) => readWebhook(payload(fields), NOW, HOUR);

describe("the time of an alert", () => {
  test.each([
    ["now", 0, "change"],
    ["10 minutes ahead, as clocks may be", 10 * MINUTE, "change"],
    ["more than that", 10 * MINUTE + 1, "fault"],
    ["a day ago", -24 * HOUR, "change"],
    ["longer ago", -24 * HOUR - 1, "ignore"],
  ])("%s", (_name, ahead, type) => {
    expect(read({ at: NOW + ahead }).type).toBe(type);
    expect(read({ at: String(NOW + ahead) }).type).toBe(type);
  });

  test.each([-1, 0.5, Number.NaN, "12345678901", "123456789012345", "soon", null])("%s is none", (at) => {
    expect(read({ at })).toMatchObject({ type: "fault", why: expect.stringContaining('"at"') });
  });
});

test("a text may be as long as it may be, and no longer", () => {
  for (const [name, most] of Object.entries({ monitor: 200, event: 200, cycle: 200, org: 200 })) {
    expect([name, read({ [name]: "x".repeat(most) }).type]).toEqual([name, "change"]);
    expect([name, read({ [name]: "x".repeat(most + 1) }).type]).toEqual([name, "fault"]);
  }
  const agent = "x".repeat(2_000 - "agent:".length);
  expect(read({ scope: `agent:${agent}` }).type).toBe("change");
  expect(read({ scope: `agent:${agent}x` }).type).toBe("fault");
});

test.each([
  ["a newline in the tags", { tags: "a:b\nc:d" }],
  ["very many tags", { tags: "a:b,".repeat(20_000) }],
  ["one tag that is longer", { tags: "x".repeat(70_000) }],
  ["tags in an array", { tags: ["a:b", "c:d"] }],
  ["tags that are no text", { tags: { toString: null } }],
  ["tags of which one is no text", { tags: ["a:b", { toString: null }] }],
  ["tags that were not filled in", { tags: "$TAGS" }],
  ["no tags, event or organisation", { tags: null, event: undefined, org: null }],
  ["a number for a text", { monitor: 7, org: 9 }],
  ["members that we do not know", { extra: { a: [1] } }],
])("%s: the group alone decides", (_, fields) => {
  expect(read(fields as object)).toMatchObject({ type: "change", scope: "agent:researcher" });
});

test("an agent is found among tags of which others cannot be read", () => {
  const tags = `${"x:y,".repeat(20_000)}a:b\u0000c\nAgent:a`;
  expect(read({ scope: "", tags })).toMatchObject({ type: "change", scope: "agent:a" });
});

describe("without a group only the agent is looked for among the tags", () => {
  test.each([
    ["team:search,agent:a", "agent:a"],
    ["root_agent:planner,project:p,key:k", "root_agent:planner"],
  ])("%s", (tags, scope) => {
    expect(read({ scope: "", tags })).toMatchObject({ type: "change", scope });
  });

  test("and where there is none, nothing opens", () => {
    expect(read({ scope: "", tags: "team:search,project:p" })).toMatchObject({ type: "fault" });
  });
});

describe("values under which many add up open nothing", () => {
  test.each([
    "agent:other",
    "agent:unknown",
    "root_agent:unknown",
    "team:other",
    "key:other",
    "agent:N/A",
    "root_agent:n/a",
    "team:N/A",
    "agent:a,team:N/A",
  ])("%s", (scope) => {
    const named = scope.toLowerCase().split(",").at(-1);
    expect(read({ scope })).toMatchObject({
      type: "ignore",
      why: expect.stringContaining(`${named} is not one agent`),
    });
    expect(read({ scope, transition: "Recovered" })).toMatchObject({ type: "ignore" });
  });

  test("a team may be called unknown", () => {
    expect(read({ scope: "team:unknown" })).toMatchObject({ type: "change", scope: "team:unknown" });
  });
});

test("a trip lasts for its TTL, and a recovery names the alert that is over", () => {
  const mark = { cycle: "c1", event: "777", at: NOW };
  expect(read({})).toMatchObject({
    event: { type: "trip", source: "datadog", ttlMs: HOUR, alert: ["123", { ...mark, transition: "Triggered" }] },
  });
  expect(read({ transition: "Recovered" })).toMatchObject({
    event: { type: "recover", by: "monitor 123", alert: ["123", { ...mark, transition: "Recovered" }] },
  });
});

test("only so many of the tags that no circuit is about are told", () => {
  const tags = Array.from({ length: 30 }, (_, index) => `t${index}:x`).join(",");
  expect(read({ scope: `agent:a,${tags}` })).toHaveProperty("leftOut.length", 20);
});

describe("the scope that an operator names", () => {
  test.each<[unknown, string | undefined]>([
    ["all", "all"],
    ["agent:A b", "agent:a_b"],
    [{ team: "t", agent: "a" }, "agent:a,team:t"],
    ["agent:a,env:prod", undefined],
    ["agent:a,agent:b", undefined],
    ["agent:a,agent:A", "agent:a"],
    ["agent:*", undefined],
    [undefined, undefined],
    [7, undefined],
    [[{ toString: 1 }], undefined],
    [{ agent: { toString: null } }, undefined],
    [`agent:${"x".repeat(2_000)}`, undefined],
  ])("%j is %s", (named, scope) => {
    expect(readScope(named)).toBe(scope);
  });
});

describe("a declared tag", () => {
  const TAGS = ["customer"];

  test("makes a circuit of its value, and what adds up under other does not", () => {
    const read = (scope: string, tags?: readonly string[]) =>
      readWebhook(payload({ scope, tags: "" }), NOW, HOUR, tags);
    expect(read("customer:Acme Inc", TAGS)).toMatchObject({ type: "change", scope: "customer:acme_inc" });
    expect(read("customer:other", TAGS)).toMatchObject({ type: "ignore" });
    expect(read("customer:acme")).toMatchObject({ type: "fault" });
  });

  test("may be named by an operator", () => {
    expect(readScope("customer:Acme,agent:a", TAGS)).toBe("agent:a,customer:acme");
    expect(readScope("customer:acme")).toBeUndefined();
  });
});
