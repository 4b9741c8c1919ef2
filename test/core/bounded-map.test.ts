import fc from "fast-check";
import { expect, test } from "vitest";
import { evictOldest, setBounded } from "../../src/core/bounded-map.ts";

test("a full map forgets the tenth that was set first, and never holds more than its limit", () => {
  const map = new Map<number, string>();
  for (let key = 0; key < 20; key++) setBounded(map, key, "x", 20);
  setBounded(map, 20, "x", 20);
  expect([...map.keys()]).toEqual(Array.from({ length: 19 }, (_, index) => index + 2));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 0, max: 300 }), (max, count) => {
      const own = new Map<number, number>();
      for (let key = 0; key < count; key++) {
        setBounded(own, key, key, max);
        expect(own.size).toBeLessThanOrEqual(max);
        expect(own.get(key)).toBe(key);
      }
      expect(own.size).toBeGreaterThanOrEqual(Math.min(count, max - Math.ceil(max / 10) + 1));
    }),
  );
});

test("a set forgets its oldest, too", () => {
  const set = new Set(["a", "b", "c"]);
  evictOldest(set, 11);
  expect([...set]).toEqual(["c"]);
});
