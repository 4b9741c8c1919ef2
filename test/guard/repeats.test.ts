import { expect, test } from "vitest";
import { createRepeats } from "../../src/guard/repeats.ts";

const RULE = { max: 3, withinMs: 60_000, tripMs: 1 };

test("the same request is one too many after so many, within the time", () => {
  const repeats = createRepeats(RULE);
  const asked = (at: number) => repeats.isOneTooMany("a", at);
  expect([asked(0), asked(1), asked(60_000), asked(60_000)]).toEqual([false, false, false, true]);
  // The time is over: it is counted anew, from this one on.
  expect([asked(60_001), asked(60_002), asked(120_001), asked(120_001)]).toEqual([false, false, false, true]);
});

test("each request is counted by itself, and of very many the oldest are forgotten", () => {
  const repeats = createRepeats(RULE);
  for (let time = 0; time < 3; time++) for (const one of ["a", "b"]) expect(repeats.isOneTooMany(one, 0)).toBe(false);
  for (let other = 0; other < 9_998; other++) repeats.isOneTooMany(`other ${other}`, 0);
  expect(repeats.isOneTooMany("b", 0)).toBe(true);
  repeats.isOneTooMany("one more", 0);
  expect(repeats.isOneTooMany("a", 0)).toBe(false);
});
