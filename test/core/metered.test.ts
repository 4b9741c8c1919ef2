import { describe, expect, test } from "vitest";
import type { SettledCall } from "../../src/core/call.ts";
import { mergeMetered, meteredGroup, meteredKey, meteredRows, meteredSums } from "../../src/core/metered.ts";
import { canonicalUsage } from "../../src/core/usage.ts";
import { part, settledCall, USAGE } from "../fixtures/calls.ts";

const DAY = Date.UTC(2026, 10, 24);

describe("what a settled call adds to the metered side", () => {
  test("is one row by whose it is, with kinds of tokens that never overlap", () => {
    const usage = canonicalUsage({
      input: 100,
      cacheRead: 60,
      cacheWrite: 30,
      output: 50,
      reasoning: 20,
      webSearches: 2,
    });
    const call = settledCall("a", {
      scope: { agent: "a", rootAgent: "planner", team: "t", project: "p", key: "k" },
      tier: "flex",
      startedAt: DAY,
    });
    expect(meteredRows(call, [part(7, "gpt-5", usage)])).toEqual([
      {
        ...{ day: DAY, provider: "openai", model: "gpt-5", tier: "flex", key: "k" },
        ...{ agent: "a", rootAgent: "planner", team: "t", project: "p", quality: "reported", priced: "true" },
        ...{ calls: 1, cost: 7, inputUncached: 10, cacheRead: 60, cacheWrite: 30, output: 50, webSearches: 2 },
      },
    ]);
  });

  test("is of the day on which it ended", () => {
    const dayOf = (startedAt: number, durationMs: number) =>
      meteredRows(settledCall("a", { startedAt, durationMs }), [part(1)])[0]?.day;
    expect(dayOf(DAY - 1_500, 1_499)).toBe(DAY - 86_400_000);
    expect(dayOf(DAY - 1_500, 1_499.9)).toBe(DAY - 86_400_000);
    expect(dayOf(DAY - 1_500, 1_500)).toBe(DAY);
  });

  test("is one call, however many models served it", () => {
    const rows = meteredRows(settledCall("a"), [part(5), part(undefined, "advisor"), part(3, "other")]);
    expect(rows.map(({ model, calls, cost }) => [model, calls, cost])).toEqual([
      ["gpt-5", 1, 5],
      ["advisor", 0, 0],
      ["other", 0, 3],
    ]);
  });

  test("is a call without tokens where nothing is known of them", () => {
    const call = settledCall("a", { quality: "unknown", priced: "none" });
    expect(meteredRows(call, [])).toMatchObject([{ model: "gpt-5", calls: 1, cost: 0, output: 0 }]);
  });

  test.each<[string, Partial<SettledCall>, number]>([
    ["answered", {}, 1],
    ["redirected", { status: 399 }, 1],
    ["refused by the vendor", { status: 400, ending: "failed" }, 0],
    ["refused by us", { ending: "blocked" }, 0],
    ["broken off before the head, its usage estimated", { ending: "canceled" }, 1],
    ["broken, and part of it came", { ending: "failed" }, 1],
  ])("counts where it was %s", (_name, fields, rows) => {
    expect(meteredRows(settledCall("a", fields), [part(1)])).toHaveLength(rows);
  });

  test("is nothing where the connection failed before anything came", () => {
    const { status, usage, ...call } = settledCall("a", { ending: "failed" });
    expect(meteredRows(call, [])).toEqual([]);
    expect(meteredRows({ ...call, usage: USAGE }, [part(1)])).toHaveLength(1);
    expect(meteredRows({ ...call, status: 200 }, [])).toHaveLength(1);
  });
});

test("rows of several processes add up by group, and a group reads back out of its key", () => {
  const [one, other] = ["a", "b"].map((agent) => meteredRows(settledCall(agent), [part(5)])[0]!);
  const rows = mergeMetered([one!, other!, one!].map((row) => [meteredKey(row), meteredSums(row)] as const));
  expect(rows).toEqual([{ ...one, calls: 2, cost: 10, inputUncached: 400, cacheRead: 1_600, output: 100 }, other]);
  expect(meteredKey(meteredGroup(meteredKey(one!)) as typeof one & object)).toBe(meteredKey(one!));
});

test("a row with tags is a group of its own, and one without them has the key that it always had", () => {
  const [plain] = meteredRows(settledCall("a"), [part(5)]);
  const [tagged] = meteredRows(settledCall("a"), [part(5)], "customer:acme,feature:chat");
  expect(JSON.parse(meteredKey(plain!))).toHaveLength(11);
  const rows = mergeMetered([plain!, tagged!, tagged!].map((row) => [meteredKey(row), meteredSums(row)] as const));
  expect(rows.map(({ tags, cost }) => [tags, cost])).toEqual([
    [undefined, 5],
    ["customer:acme,feature:chat", 10],
  ]);
});
