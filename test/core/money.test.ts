import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decimalUsd, nanoOfCents, nanoOfUsd, splitNano } from "../../src/core/money.ts";

describe("amounts of money as vendors write them", () => {
  test.each([
    [0.06, 60_000_000n],
    ["0.06", 60_000_000n],
    ["1e-7", 100n],
    [1e-7, 100n],
    ["12", 12_000_000_000n],
    ["-0.5", -500_000_000n],
    [".5", 500_000_000n],
    ["5.", 5_000_000_000n],
    ["0.0000000005", 1n],
    ["0.0000000004", 0n],
    ["-0.0000000005", -1n],
    ["123456789012.123456789", 123_456_789_012_123_456_789n],
    ["1.5E3", 1_500_000_000_000n],
    [0, 0n],
  ])("%s dollars", (amount, nano) => {
    expect(nanoOfUsd(amount)).toBe(nano);
  });

  test.each([
    ["123.45", 1_234_500_000n],
    ["41280.000000", 412_800_000_000n],
    ["123.78912", 1_237_891_200n],
    [250, 2_500_000_000n],
    ["0.00000005", 1n],
  ])("%s cents", (amount, nano) => {
    expect(nanoOfCents(amount)).toBe(nano);
  });

  test.each(["", " ", ".", "abc", "1,5", "$1", "NaN", "Infinity", "1e", "0x10"])("%j is none", (amount) => {
    expect(() => nanoOfUsd(amount)).toThrow(RangeError);
    expect(() => nanoOfCents(amount)).toThrow(RangeError);
  });

  test("cents are a hundredth of dollars, and no place is lost", () => {
    const text = fc.tuple(fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }), fc.integer({ min: 0, max: 7 }));
    fc.assert(
      fc.property(text, ([digits, places]) => {
        const plain = (digits < 0n ? -digits : digits).toString().padStart(places + 1, "0");
        const amount = `${digits < 0n ? "-" : ""}${plain.slice(0, plain.length - places)}.${plain.slice(plain.length - places)}`;
        expect(nanoOfUsd(amount)).toBe(nanoOfCents(amount) * 100n);
        expect(nanoOfUsd(decimalUsd(nanoOfUsd(amount)))).toBe(nanoOfUsd(amount));
      }),
    );
  });
});

test("a split always adds up to the whole, and follows the weights to the nano-dollar", () => {
  fc.assert(
    fc.property(fc.bigInt(), fc.array(fc.bigInt({ min: 0n, max: 10n ** 18n }), { maxLength: 30 }), (whole, weights) => {
      const parts = splitNano(whole, weights);
      const all = weights.reduce((sum, weight) => sum + weight, 0n);
      expect(parts.reduce((sum, part) => sum + part, 0n)).toBe(all === 0n ? 0n : whole);
      for (const [index, weight] of weights.entries()) {
        if (weight === 0n) expect(parts[index]).toBe(0n);
        const off = (parts[index] ?? 0n) * all - whole * weight;
        if (all > 0n) expect((off < 0n ? -off : off) <= all).toBe(true);
      }
    }),
  );
});
