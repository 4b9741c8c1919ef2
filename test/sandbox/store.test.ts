import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCells, foldCells, RAW_S, scanCells, sizeOf, writePoint } from "../../src/sandbox/series/cells.ts";
import { createSeriesStore } from "../../src/sandbox/series/series.ts";
import { START } from "./stage.ts";

const SCALE = Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);

describe("points in three grains", () => {
  test("fold to the same sums, counts, least and most", () => {
    const points = fc.array(
      fc.record({ at: fc.integer({ min: 0, max: 6 * 86_400 }), value: fc.integer({ min: -50, max: 50 }) }),
      { maxLength: 400 },
    );
    fc.assert(
      fc.property(points, fc.integer({ min: 0, max: (11 * 86_400) / 1_800 }), (given, halves) => {
        const cells = createCells();
        const kept = new Map<number, number>();
        for (const { at, value } of [...given].sort((a, b) => a.at - b.at)) {
          writePoint(cells, at, value);
          kept.set(at, value);
        }
        foldCells(cells, halves * 1_800, 0);
        // Windows that begin and end at half hours see every point once, however it is kept.
        for (const [from, to] of [
          [0, 7 * 86_400],
          [86_400, 2 * 86_400],
          [1_800, 3_600],
          [3 * 86_400, 3 * 86_400 + 5_400],
        ] as const) {
          let [sum, count, min, max] = [0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
          scanCells(cells, from, to, (_, s, c, least, most) => {
            sum += s;
            count += c;
            min = Math.min(min, least);
            max = Math.max(max, most);
          });
          const values = [...kept].filter(([at]) => at >= from && at < to).map(([, value]) => value);
          expect([sum, count]).toEqual([values.reduce((a, b) => a + b, 0), values.length]);
          if (values.length > 0) expect([min, max]).toEqual([Math.min(...values), Math.max(...values)]);
        }
      }),
      { numRuns: 100 * SCALE },
    );
  });

  test("late points find their place, and what is folded is small", () => {
    const cells = createCells();
    for (let at = 0; at < 86_400; at += 10) writePoint(cells, at, 1);
    expect(writePoint(cells, 86_385, 1)).toBe(true);
    expect(writePoint(cells, 86_385, 2)).toBe(false);
    foldCells(cells, 86_400, 0);
    expect(sizeOf(cells)).toBe(RAW_S / 10 + 1 + (86_400 - RAW_S) / 60);
  });
});

describe("a bounded store", () => {
  function storeOf(options: { maxSeries?: number; maxPoints?: number }) {
    const clock = { now: START };
    const store = createSeriesStore({ now: () => clock.now, isHistorical: () => false, ...options });
    const write = (agent: number): void =>
      store.write("m", "count", `a${agent}`, () => [`agent:a${agent}`], clock.now, 1);
    return { store, clock, write };
  }

  test("takes no more series than it may, and says so", () => {
    const { store, write } = storeOf({ maxSeries: 3 });
    for (let agent = 0; agent < 5; agent += 1) write(agent);
    expect(store.stats.series).toBe(3);
    expect(store.dropped).toEqual({ "series limit": 2 });
    expect(store.valuesOf("agent")).toEqual(["a0", "a1", "a2"]);
  });

  test("keeps the newest points when it is full", () => {
    const { store, clock, write } = storeOf({ maxPoints: 1_000 });
    for (let minute = 0; minute < 4_000; minute += 1) {
      clock.now = START + minute * 60;
      write(0);
    }
    store.compact();
    expect(store.stats.held).toBeLessThanOrEqual(1_000);
    let newest = 0;
    let count = 0;
    for (const { cells } of store.select("m", () => true))
      scanCells(cells, clock.now - 3_600, clock.now + 1, (time) => {
        newest = Math.max(newest, time);
        count += 1;
      });
    expect([newest, count]).toEqual([clock.now, 61]);
  });

  test("forgets series that say nothing for two months, and takes new ones", () => {
    const { store, clock, write } = storeOf({ maxSeries: 1 });
    write(0);
    clock.now += 64 * 86_400;
    store.compact();
    write(1);
    expect(store.valuesOf("agent")).toEqual(["a1"]);
  });
});
