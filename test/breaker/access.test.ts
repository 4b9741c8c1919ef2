import { describe, expect, test } from "vitest";
import { basicOf, bearerOf, createLimiter, createSecretCheck } from "../../src/breaker/access.ts";
import { isLoopback } from "../../src/http/own-host.ts";

const NOW = Date.UTC(2026, 10, 24, 12);

describe("a limit", () => {
  test("lets a burst through, then so many a second, of each", () => {
    const limiter = createLimiter(2, 3);
    const taken = (who: string, at: number, times: number) =>
      Array.from({ length: times }, () => limiter.take(who, NOW + at)).filter(Boolean).length;
    expect(taken("a", 0, 5)).toBe(3);
    expect(taken("b", 0, 5)).toBe(3);
    expect(taken("a", 400, 1)).toBe(0);
    expect(taken("a", 500, 2)).toBe(1);
    expect(taken("a", 1_000, 2)).toBe(1);
    // After any idle time, no more than a burst is allowed.
    expect(taken("a", 3_600_000, 9)).toBe(3);
  });

  test("forgets all callers when there are too many, rather than grow", () => {
    const limiter = createLimiter(1, 1);
    expect([limiter.take("a", NOW), limiter.take("a", NOW)]).toEqual([true, false]);
    for (let other = 0; other < 9_999; other++) limiter.take(`other ${other}`, NOW);
    expect(limiter.take("a", NOW)).toBe(false);
    limiter.take("one more", NOW);
    expect(limiter.take("a", NOW)).toBe(true);
  });
});

describe("a secret", () => {
  test("is one of those that are set, whole", () => {
    const check = createSecretCheck(["first", "second"]);
    const given = ["first", "second", "firs", "first ", "First", "", undefined];
    expect(given.map(check)).toEqual([true, true, false, false, false, false, false]);
  });

  test("is none where none is set, and an empty one is no way around that", () => {
    expect([undefined, "", "x"].map(createSecretCheck([]))).toEqual([false, false, false]);
    expect([undefined, ""].map(createSecretCheck([""]))).toEqual([false, true]);
  });
});

test.each([
  ["Bearer abc", "abc", undefined],
  ["bearer  abc", "abc", undefined],
  ["Bearer a b", undefined, undefined],
  ["Bearer", undefined, undefined],
  ["xBearer abc", undefined, undefined],
  [`Basic ${Buffer.from("me:päss").toString("base64")}`, undefined, "me:päss"],
  ["Basic !", undefined, undefined],
  [undefined, undefined, undefined],
])("authorization: %s", (header, bearer, basic) => {
  expect([bearerOf(header), basicOf(header)]).toEqual([bearer, basic]);
});

test.each([
  ["localhost", true],
  ["127.0.0.1", true],
  ["127.9.9.9", true],
  ["::1", true],
  ["0.0.0.0", false],
  ["127.0.0.1.example.com", false],
  ["1127.0.0.1", false],
])("%s is this machine alone: %s", (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});
