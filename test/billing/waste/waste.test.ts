import { describe, expect, test } from "vitest";
import { CAUSES, createWasteReport, totalWaste, type WasteRow, wastedOf } from "../../../src/billing/waste/waste.ts";
import {
  type MeteredRow,
  mergeMetered,
  meteredKey,
  meteredRows,
  meteredSums,
  NOTHING_METERED,
} from "../../../src/core/metered.ts";
import { withoutWaste } from "../../../src/core/work/waste.ts";
import { pastCallsOf } from "../../../src/demo/history/past-calls.ts";
import { settledOf } from "../../../src/demo/history/past-records.ts";
import { openPriceBook } from "../../../src/pricing/open.ts";
import { part, settledCall } from "../../fixtures/calls.ts";

const DAY = Date.UTC(2026, 10, 24);
const USD = 1_000_000_000;
const M = 1_000_000;
const price = await openPriceBook({
  prices: [{ model: "m", inputPerMTok: 4, outputPerMTok: 10, cacheReadPerMTok: 1, cacheWritePerMTok: 5 }],
});

function row(fields: Partial<MeteredRow>): MeteredRow {
  return {
    ...{ ...NOTHING_METERED, day: DAY, provider: "openai", model: "m", tier: "", key: "k" },
    ...{ agent: "a", rootAgent: "a", team: "", project: "", quality: "reported", priced: "true", calls: 1 },
    ...fields,
  };
}

function reportOf(rows: readonly MeteredRow[], by: readonly string[] = ["agent"]): readonly WasteRow[] {
  const report = createWasteReport(by, price);
  for (const some of Map.groupBy(rows, ({ day }) => day).values()) report.add(some);
  return report.rows;
}

/** Dollars of each cause that has any. */
function dollarsOf(row: WasteRow | undefined): Readonly<Record<string, number>> {
  const found = CAUSES.map((cause) => [cause, Number(row?.causes[cause].cost ?? 0n) / USD] as const);
  return Object.fromEntries(found.filter(([, usd]) => usd !== 0));
}

describe("what bought nothing, of rows whose answer is known", () => {
  test.each<[string, readonly Partial<MeteredRow>[], Readonly<Record<string, number>>]>([
    ["a whole answer", [{ cost: 2 * USD }], {}],
    ["a call given up", [{ cost: 2 * USD, tags: "waste:canceled" }], { canceled: 2 }],
    ["one that broke off", [{ cost: 2 * USD, tags: "waste:failed" }], { failed: 2 }],
    ["a request that was answered before", [{ cost: 2 * USD, tags: "waste:repeated" }], { repeated: 2 }],
    ["such a request of failed work", [{ cost: 2 * USD, tags: "waste:repeated,outcome:failed" }], { repeated: 2 }],
    ["work that failed", [{ cost: 2 * USD, tags: "customer:x,outcome:failed" }], { failed_work: 2 }],
    ["work that was begun again", [{ cost: 2 * USD, tags: "outcome:retried" }], { retried_work: 2 }],
    ["work that was of use", [{ cost: 2 * USD, tags: "outcome:resolved" }], {}],
    ["each dollar once", [{ cost: 2 * USD, tags: "waste:canceled,outcome:failed" }], { canceled: 2 }],
    ["work itself", [{ provider: "work", model: "", calls: 3, tags: "outcome:failed" }], {}],
    ["a subscription, on which nothing is paid", [{ cost: 2 * USD, priced: "plan", tags: "waste:canceled" }], {}],
    // A million tokens at $4 and not at $1.
    ["input that a cache could have held", [{ calls: 0, inputUncached: M, tags: "waste:uncached" }], { uncached: 3 }],
    ["such input of failed work", [{ calls: 0, inputUncached: M, tags: "waste:uncached,outcome:failed" }], {}],
    ["such input of a model without a price", [{ model: "?", inputUncached: M, tags: "waste:uncached" }], {}],
    // A million tokens at $5 and not at $4.
    ["a cache that nobody read", [{ cacheWrite: M }], { unread_cache: 1 }],
    ["one that was read in part", [{ cacheWrite: 3 * M, cacheRead: M }], { unread_cache: 2 }],
    ["one that was read again and again", [{ cacheWrite: M, cacheRead: 20 * M }], {}],
    ["one that another agent read", [{ cacheWrite: M }, { agent: "b", cacheRead: M }], {}],
    [
      "one that another key read, which has a cache of its own",
      [{ cacheWrite: M }, { key: "l", agent: "b", cacheRead: M }],
      { unread_cache: 1 },
    ],
    ["one of a call that was given up", [{ cacheWrite: M, cost: 7 * USD, tags: "waste:canceled" }], { canceled: 7 }],
  ])("%s", (_name, rows, causes) => {
    expect(dollarsOf(reportOf(rows.map(row)).find(({ by }) => by.agent === "a"))).toEqual(causes);
  });

  test("calls, share and order by agent; what is of unknown cost is counted", () => {
    const rows = reportOf([
      row({ calls: 8, cost: 6 * USD }),
      row({ calls: 2, cost: 2 * USD, tags: "waste:canceled" }),
      row({ agent: "b", calls: 5, cost: 9 * USD }),
      row({ agent: "b", calls: 1, cost: 3 * USD, tags: "waste:failed" }),
      row({ agent: "b", calls: 1, priced: "none", quality: "unknown", tags: "waste:canceled" }),
    ]);
    expect(rows.map(({ by, spent, calls, unpriced }) => [by.agent, spent, calls, unpriced])).toEqual([
      ["b", 12n * BigInt(USD), 7, 1],
      ["a", 8n * BigInt(USD), 10, 0],
    ]);
    const all = totalWaste(rows);
    expect([all.spent, wastedOf(all), all.calls]).toEqual([20n * BigInt(USD), 5n * BigInt(USD), 17]);
    expect(all.causes).toMatchObject({ canceled: { cost: BigInt(2 * USD), calls: 3 }, failed: { calls: 1 } });
  });

  test("what several agents wrote and nobody read is charged by what each wrote, to the nano-dollar", () => {
    const rows = reportOf([
      row({ agent: "a", cacheWrite: 2 * M }),
      row({ agent: "b", cacheWrite: M }),
      row({ agent: "c", cacheRead: M }),
      row({ agent: "d", day: DAY + 86_400_000, cacheRead: 50 * M }),
    ]);
    const of = (agent: string) => rows.find(({ by }) => by.agent === agent)?.causes.unread_cache.cost;
    expect([of("a"), of("b"), of("c")]).toEqual([1_333_333_000n, 666_667_000n, 0n]);
  });

  test.each(["team", "project", "key", "model", "vendor", "day", "outcome", "customer"])("by %s", (name) => {
    const one = row({ team: "t", project: "p", cost: USD, tags: "customer:acme,waste:failed,outcome:resolved" });
    const named = { team: "t", project: "p", key: "k", model: "m", vendor: "openai", day: "2026-11-24" };
    const expected = { ...named, outcome: "resolved", customer: "acme" }[name];
    expect(reportOf([one], [name]).map(({ by }) => by[name])).toEqual([expected]);
  });
});

describe("a settled call", () => {
  const tokens = (rows: readonly MeteredRow[]) =>
    rows.map(({ tags, inputUncached, calls, cost }) => ({ tags, inputUncached, calls, cost }));

  test.each<[string, Parameters<typeof settledCall>[1], (string | undefined)[]]>([
    ["whole", {}, [undefined]],
    ["given up", { ending: "canceled" }, ["waste:canceled"]],
    ["broken off", { ending: "failed" }, ["waste:failed"]],
    ["answered as before", { repeated: true }, ["waste:repeated"]],
    ["answered as before, with input uncached too", { repeated: true, uncached: 150 }, ["waste:repeated"]],
    ["refused by the vendor, which costs nothing", { ending: "failed", status: 429 }, []],
    ["refused by us", { ending: "blocked" }, []],
  ])("that is %s", (_name, fields, tags) => {
    expect(meteredRows(settledCall("a", fields), [part(5)]).map((one) => one.tags)).toEqual(tags);
  });

  test("with input that a cache could have held has a row of it beside its own; both add up to what was metered", () => {
    const rows = meteredRows(settledCall("a", { uncached: 150 }), [part(5), part(3, "other")], "customer:x");
    expect(tokens(rows)).toEqual([
      { tags: "customer:x", inputUncached: 50, calls: 1, cost: 5 },
      { tags: "customer:x,waste:uncached", inputUncached: 150, calls: 0, cost: 0 },
      { tags: "customer:x", inputUncached: 200, calls: 0, cost: 3 },
    ]);
    expect(withoutWaste(rows)).toEqual(meteredRows(settledCall("a"), [part(5), part(3, "other")], "customer:x"));
  });

  test("is the same to a bill whether it was whole or not", () => {
    const rows = [{}, { ending: "canceled" as const }].flatMap((fields) =>
      meteredRows(settledCall("a", fields), [part(5)]),
    );
    expect(withoutWaste(rows)).toMatchObject([{ calls: 2, cost: 10, inputUncached: 400 }]);
    expect(withoutWaste(rows)[0]).not.toHaveProperty("tags");
  });
});

test("the demo's month: what was given up is the browser's canceled calls, and nothing else", async () => {
  const book = await openPriceBook({});
  const report = createWasteReport(["agent"], book);
  let canceled = 0n;
  let metered = 0n;
  for (let day = DAY - 29 * 86_400_000; day <= DAY; day += 86_400_000) {
    const calls = pastCallsOf(day)
      .filter((call) => call.metered)
      .map((call) => settledOf(call, book));
    for (const { settled } of calls) {
      const nano = BigInt(Math.round((settled.costUsd ?? 0) * 1e9));
      metered += nano;
      if (settled.ending === "canceled") canceled += nano;
    }
    const rows = calls.flatMap(({ settled, parts }) => meteredRows(settled, parts));
    report.add(mergeMetered(rows.map((one) => [meteredKey(one), meteredSums(one)])));
  }
  const all = totalWaste(report.rows);
  expect([all.spent, wastedOf(all)]).toEqual([metered, canceled]);
  expect(report.rows[0]).toMatchObject({
    by: { agent: "browser" },
    causes: { canceled: { cost: canceled, calls: 120 } },
  });
  expect(canceled).toBeGreaterThan(0n);
});
