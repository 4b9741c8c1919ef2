import { describe, expect, test } from "vitest";
import { amount, array, object, parse, text } from "../../src/core/json.ts";
import { readRecord, recordKey } from "../../src/core/record-key.ts";
import { canonicalUsage, count, restOf, tokensByType } from "../../src/core/usage.ts";

const VALUES = {
  null: null,
  nothing: undefined,
  list: [1],
  object: { a: 1 },
  text: "a",
  empty: "",
  number: 7,
  yes: true,
};

/** The names of the values that a reader takes. */
const taken = (read: (value: unknown) => unknown): readonly string[] =>
  Object.entries(VALUES)
    .filter(([, value]) => read(value) !== undefined && read(value) !== EMPTY)
    .map(([name]) => name);
const EMPTY = array(undefined);

describe("members of a foreign body", () => {
  test("are read as what they are, and as nothing else", () => {
    expect(taken(object)).toEqual(["object"]);
    expect(taken(text)).toEqual(["text"]);
    expect(Object.entries(VALUES).filter(([, value]) => array(value).length > 0)).toEqual([["list", [1]]]);
    expect([parse('{"a":1}'), parse("{"), parse("")]).toEqual([{ a: 1 }, undefined, undefined]);
  });

  test.each<[unknown, number | undefined]>([
    [0.5, 0.5],
    ["1.5", 1.5],
    [0, undefined],
    [-1, undefined],
    ["", undefined],
    ["x", undefined],
    [Number.NaN, undefined],
    [Number.POSITIVE_INFINITY, undefined],
    [true, undefined],
    [null, undefined],
  ])("%j as an amount is %s", (value, expected) => {
    expect(amount(value)).toBe(expected);
  });
});

describe("a record", () => {
  test("has one key, whatever the order of its fields, and reads back", () => {
    const [one, other] = [recordKey({ b: 2, a: "x", c: 3 }), recordKey({ c: 3, a: "x", b: 2 })];
    expect(one).toBe(other);
    expect(readRecord<string | number>(one)).toEqual({ a: "x", b: 2, c: 3 });
    expect(recordKey({ a: "2" })).not.toBe(recordKey({ a: 2 }));
  });
});

describe("usage", () => {
  test.each<[unknown, number]>([
    [3, 3],
    [2.5, 3],
    [0.4, 0],
    [0, 0],
    [-3, 0],
    ["3", 0],
    [Number.NaN, 0],
    [Number.MAX_SAFE_INTEGER, 0],
    [2 ** 31, 0],
    [2 ** 31 - 1, 2 ** 31 - 1],
  ])("the count %j is %d", (value, expected) => {
    expect(count(value)).toBe(expected);
  });

  test("parts are cut to fit their whole", () => {
    const parts = { input: 100, output: 50, cacheRead: 70, cacheWrite: 60, cacheWrite1h: 40, reasoning: 80 };
    expect(canonicalUsage(parts)).toEqual({
      ...{ input: 100, output: 50, cacheRead: 70, cacheWrite: 30, cacheWrite1h: 30, reasoning: 50, webSearches: 0 },
    });
    expect(canonicalUsage({ input: 10, cacheRead: 20 })).toMatchObject({ cacheRead: 10, cacheWrite: 0 });
    const media = { inputAudio: 200, cacheReadAudio: 90, outputAudio: 60, outputImage: 70 };
    expect(canonicalUsage({ ...parts, ...media })).toMatchObject({
      ...{ inputAudio: 100, cacheReadAudio: 70, outputAudio: 50, outputImage: 50 },
    });
  });

  test("kinds that never overlap add up to the whole", () => {
    const usage = canonicalUsage({ input: 100, output: 50, cacheRead: 70, cacheWrite: 20, reasoning: 30 });
    expect(tokensByType(usage)).toEqual([10, 70, 20, 20, 30]);
  });

  test("what is left of one beside a part of it is never below zero", () => {
    const whole = canonicalUsage({ input: 100, output: 50, cacheRead: 70, reasoning: 30, inputAudio: 9 });
    const part = canonicalUsage({ input: 60, output: 60, cacheRead: 30, reasoning: 10 });
    expect(restOf(whole, part)).toMatchObject({ input: 40, output: 0, cacheRead: 40, reasoning: 0, inputAudio: 9 });
  });
});
