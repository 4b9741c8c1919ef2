import { describe, expect, test } from "vitest";
import type { SettledCall } from "../../../src/core/call.ts";
import { correctionsOf } from "../../../src/core/late/correction.ts";
import { lateCallOf, metersOf, readLateCall, readSettlement } from "../../../src/core/late/late-call.ts";
import { mergeMetered, meteredKey, meteredRows, meteredSums } from "../../../src/core/metered.ts";
import { NO_USAGE } from "../../../src/core/usage.ts";

const USAGE = { ...NO_USAGE, input: 100, output: 20, cacheRead: 40 };
const call = (fields: Partial<SettledCall> = {}): SettledCall => ({
  id: "1",
  responseId: "gen-1",
  scope: { agent: "a", rootAgent: "r", team: "t", key: "k" },
  provider: "openrouter",
  model: "m",
  format: "openai-chat",
  stream: true,
  ending: "canceled",
  quality: "estimated",
  status: 200,
  usage: USAGE,
  costUsd: 0.005,
  priced: "true",
  startedAt: Date.UTC(2026, 10, 28, 9),
  durationMs: 1_500,
  ...fields,
});
const part = { model: "m", usage: USAGE, costNano: 5_000_000 };
const late = lateCallOf(call(), [part], "holder", { speed: "fast" });

test.each([
  ["estimated", call(), true],
  ["unknown", call({ quality: "unknown", usage: undefined as never }), true],
  ["reported", call({ quality: "reported" }), false],
  ["refused by us", call({ ending: "blocked" }), false],
  ["refused by the vendor", call({ status: 429, ending: "failed" }), false],
])("a call that was %s", (_, one, isLate) => {
  expect(lateCallOf(one, one.usage === undefined ? [] : [part], "h", {}) !== undefined).toBe(isLate);
});

test("one in which two models were at work is none: their figures cannot be told apart", () => {
  expect(lateCallOf(call(), [part, { ...part, model: "advisor" }], "h", {})).toBeUndefined();
});

describe("what is written can be read", () => {
  const settlement = { id: "holder/1", at: 5, by: "poll", usage: USAGE, costNano: 7, priced: "true" } as const;

  test("as it was", () => {
    expect(readLateCall(JSON.stringify(late))).toEqual(late);
    expect(readSettlement(JSON.stringify(settlement))).toEqual(settlement);
  });

  test.each([
    "",
    "null",
    "[]",
    '{"id":1}',
    JSON.stringify({ ...late, endedAt: "x" }),
    JSON.stringify({ ...late, usage: { ...USAGE, input: -1 } }),
    JSON.stringify({ ...late, group: { day: 0 } }),
    JSON.stringify({ ...late, costNano: 1e300 }),
    JSON.stringify({ ...settlement, usage: undefined }),
    JSON.stringify({ ...settlement, costNano: -1 }),
    JSON.stringify({ ...settlement, by: 3 }),
  ])("or is nothing: %s", (json) => {
    expect(readLateCall(json)).toBeUndefined();
    expect(readSettlement(json)).toBeUndefined();
  });
});

test("a settlement replaces the estimate in the metered rows", () => {
  if (late === undefined) throw new Error("no late call");
  const figures = { usage: { ...NO_USAGE, input: 90, output: 7 }, costNano: 3_000_001, priced: "true" } as const;
  const before = meteredRows(call(), [part]).map((row) => [meteredKey(row), meteredSums(row)] as const);
  expect(mergeMetered([...before, ...metersOf(late, figures)])).toEqual([
    expect.objectContaining({
      quality: "settled",
      calls: 1,
      cost: 3_000_001,
      inputUncached: 90,
      cacheRead: 0,
      output: 7,
    }),
  ]);
});

describe("counters only rise", () => {
  if (late === undefined) throw new Error("no late call");
  const tags = { agent: "a", root_agent: "r", team: "t", provider: "openrouter", model: "m", process: "i" };
  const settled = { ...tags, quality: "settled" };
  const of = (input: number, output: number, costNano: number) =>
    correctionsOf(late.group, late, { usage: { ...NO_USAGE, input, output }, costNano, priced: "true" }, "i").map(
      (one) => [one.metric.name, one.tags, one.amount],
    );

  test("by what an estimate was too low by", () => {
    expect(of(100, 30, 6_000_000)).toEqual([
      ["spendfuse.settled_calls", tags, 1],
      ["spendfuse.cost", settled, 1_000_000],
      ["spendfuse.tokens", { ...settled, token_type: "input_uncached" }, 40],
      ["spendfuse.overestimated_tokens", { ...settled, token_type: "cache_read" }, 40],
      ["spendfuse.tokens", { ...settled, token_type: "output" }, 10],
    ]);
  });

  test("and by what it was too high by, in another one", () => {
    expect(of(60, 20, 4_000_000)).toEqual([
      ["spendfuse.settled_calls", tags, 1],
      ["spendfuse.overestimated_cost", settled, 1_000_000],
      ["spendfuse.overestimated_tokens", { ...settled, token_type: "cache_read" }, 40],
    ]);
  });
});

test("its tags go along: to the rows that its settlement changes, and to the metrics", () => {
  const tagged = lateCallOf(call(), [part], "holder", {}, "customer:acme");
  if (tagged === undefined) throw new Error("it is late");
  const figures = { usage: { ...USAGE, output: 30 }, costNano: 7_000_000, priced: "true" } as const;
  const rows = mergeMetered([
    ...meteredRows(call(), [part], "customer:acme").map((row) => [meteredKey(row), meteredSums(row)] as const),
    ...metersOf(tagged, figures),
  ]);
  expect(rows.map(({ tags, quality, cost }) => [tags, quality, cost])).toEqual([
    ["customer:acme,waste:canceled", "settled", 7_000_000],
  ]);
  const known = { ...tagged.group, tags: "customer:acme,waste:canceled,outcome:failed" };
  const corrections = correctionsOf(known, { usage: USAGE, costNano: 5_000_000 }, figures, "h-0");
  expect(corrections.length).toBeGreaterThan(2);
  for (const { tags } of corrections) {
    expect(tags.customer).toBe("acme");
    for (const name of ["waste", "outcome"]) expect(tags).not.toHaveProperty(name);
  }
  expect(readLateCall(JSON.stringify(tagged))).toEqual(tagged);
});
