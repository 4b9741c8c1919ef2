import { describe, expect, test } from "vitest";
import { emptyTally, exchange, type Report, spentOf, type Tally } from "../../src/limits/tally.ts";

const NOW = 1_000_000;
const LEASE = 10_000;

const report = (fields: Partial<Report> = {}): Report => ({
  ...{ key: "k", earlier: [], holder: "one", cap: 1_000, spent: 0, acked: 0, others: 0, inUse: 0, keep: 0 },
  ...{ need: 0, spare: 0, tight: false, leave: false, leaseMs: LEASE, keepMs: 60_000, ...fields },
});

/** A tally with these holders: what each spent, has in use, holds, and until when it is alive. */
function tallyOf(base: number, holders: Readonly<Record<string, readonly [number, number, number, number]>>): Tally {
  const entries = Object.entries(holders).map(
    ([name, [spent, inUse, slice, until]]) => [name, { spent, inUse, slice, until }] as const,
  );
  return { ...emptyTally(), base, holders: new Map(entries) };
}

describe("what is spent for good", () => {
  test("is what all spent, and what the dead had under way", () => {
    const tally = tallyOf(100, { alive: [10, 5, 50, NOW + 1], dead: [20, 7, 90, NOW], gone: [1, 2, 3, NOW - 1] });
    expect(spentOf(tally, NOW)).toBe(100 + 10 + 20 + 7 + 1 + 2);
    expect(spentOf(emptyTally(), NOW)).toBe(0);
  });
});

describe("a report", () => {
  test("is kept as it was said, for as long as the lease", () => {
    const tally = emptyTally();
    const standing = exchange(tally, report({ spent: 40, inUse: 10, keep: 30 }), 0, NOW);
    expect(standing).toEqual({
      spent: 40,
      others: 0,
      slice: 30,
      idle: 0,
      held: 0,
      tight: false,
      quiet: false,
      raised: 0,
    });
    expect([...tally.holders]).toEqual([["one", { spent: 40, inUse: 10, slice: 30, until: NOW + LEASE }]]);
  });

  test("sees what others spent, hold and do not use", () => {
    const tally = tallyOf(7, { two: [10, 20, 50, NOW + 1], three: [1, 2, 4, NOW + 1] });
    expect(exchange(tally, report({ spent: 5 }), 100, NOW)).toEqual({
      ...{
        spent: 100 + 7 + 11 + 5,
        others: 7 + 11,
        slice: 0,
        idle: 30 + 2,
        held: 54,
        tight: false,
        quiet: false,
        raised: 0,
      },
    });
  });

  test("finds what the dead had under way spent, and their slices free", () => {
    const tally = tallyOf(0, { two: [10, 20, 50, NOW] });
    expect(exchange(tally, report({ need: 2_000 }), 0, NOW)).toMatchObject({
      others: 30,
      held: 0,
      idle: 0,
      slice: 970,
    });
    expect(tally.holders.has("two")).toBe(true);
  });

  test("folds those into the base who were silent for 360 leases", () => {
    const last = NOW - 360 * LEASE;
    const tally = tallyOf(1, { long: [10, 20, 50, last - 1], almost: [5, 0, 9, last] });
    expect(exchange(tally, report(), 0, NOW)).toMatchObject({ others: 1 + 30 + 5, spent: 36 });
    expect([tally.base, [...tally.holders.keys()]]).toEqual([31, ["almost", "one"]]);
  });

  test.each<[string, Partial<Report>, number, number]>([
    ["what is needed", { need: 100 }, 0, 100],
    ["no more than is left", { need: 5_000 }, 0, 1_000],
    ["nothing where nothing is left", { need: 1, spent: 1_000 }, 0, 0],
    ["nothing where more than all is gone", { need: 1, spent: 1_500 }, 0, 0],
    ["less where earlier windows count", { need: 5_000 }, 300, 700],
    ["less by what it spent", { need: 5_000, spent: 300 }, 0, 700],
    ["what it has, and what is needed beside it", { need: 100, inUse: 20, keep: 50 }, 0, 150],
    ["all that is under way, though it gave back more", { inUse: 20, keep: 10 }, 0, 20],
    ["a tenth of the rest to have in hand", { spare: 500 }, 0, 100],
    ["a tenth of what the need leaves", { need: 200, spare: 500 }, 0, 200 + 80],
    ["no more in hand than is wanted", { spare: 30 }, 0, 30],
    ["less in hand by what is idle already", { spare: 30, inUse: 10, keep: 25 }, 0, 25 + 15],
    ["nothing in hand where enough is idle", { spare: 30, inUse: 10, keep: 60 }, 0, 60],
    ["whole amounts", { spare: 500, spent: 5 }, 0, 99],
  ])("grants %s", (_name, fields, earlier, slice) => {
    expect(exchange(emptyTally(), report(fields), earlier, NOW).slice).toBe(slice);
  });

  test("that somebody waits cuts what all have in hand, for two seconds", () => {
    const tally = emptyTally();
    expect(exchange(tally, report({ tight: true, need: 10, spare: 500 }), 0, NOW)).toMatchObject({
      ...{ slice: 10, tight: true },
    });
    const other = report({ holder: "two", spare: 100 });
    expect(exchange(tally, other, 0, NOW + 1_999)).toMatchObject({ slice: 0, tight: true });
    expect(exchange(tally, other, 0, NOW + 2_000)).toMatchObject({ slice: 99, tight: false });
  });

  test("of one who leaves stays in the base, with what was under way", () => {
    const tally = tallyOf(3, { one: [10, 5, 50, NOW + 1] });
    const standing = exchange(tally, report({ spent: 40, inUse: 10, keep: 30, leave: true }), 0, NOW);
    expect(standing).toMatchObject({ slice: 0, spent: 43 });
    expect([tally.base, tally.holders.size]).toEqual([53, 0]);
  });
});

describe("a store that has forgotten", () => {
  test("a holder takes its spend out of the base once", () => {
    const tally = tallyOf(100, {});
    expect(exchange(tally, report({ spent: 60, acked: 50 }), 0, NOW).spent).toBe(50 + 60);
    expect(exchange(tally, report({ spent: 60, acked: 60 }), 0, NOW).spent).toBe(50 + 60);
  });

  test("everything counts at least what others were seen to have spent", () => {
    const tally = tallyOf(0, { two: [30, 0, 0, NOW + 1] });
    expect(exchange(tally, report({ spent: 60, acked: 50, others: 200 }), 0, NOW)).toMatchObject({ others: 200 });
    expect(tally.base).toBe(170);
  });

  test("nothing takes nothing out for one who is new", () => {
    expect(exchange(tallyOf(100, {}), report({ spent: 60, others: 500 }), 0, NOW).spent).toBe(160);
  });
});
