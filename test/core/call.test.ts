import { describe, expect, test } from "vitest";
import { type CallState, next, type Passed, type SettleEvent } from "../../src/core/call.ts";

const OPEN: CallState = { phase: "open" };
const WHOLE: Passed = { stream: false, finished: false };
const STREAM: Passed = { stream: true, finished: false };
const DONE: Passed = { stream: true, finished: true };

describe("how a call settles", () => {
  test.each<[string, SettleEvent, Passed, string, boolean]>([
    ["a terminal frame", { type: "terminal" }, STREAM, "completed", false],
    ["the end of a whole body", { type: "end" }, WHOLE, "completed", false],
    ["the end of a stream behind the vendor's word", { type: "end" }, DONE, "completed", false],
    ["the end of a stream without it", { type: "end" }, STREAM, "failed", false],
    ["a reader that stopped", { type: "cancel" }, DONE, "canceled", false],
    ["a body that broke", { type: "error" }, DONE, "failed", false],
    ["a refusal of ours", { type: "block" }, WHOLE, "blocked", false],
    ["a refusal of the vendor's", { type: "refused" }, WHOLE, "failed", false],
    ["an unread body that was collected", { type: "collect", unseen: false }, WHOLE, "canceled", false],
    [
      "a body that was read where nobody saw it, collected",
      { type: "collect", unseen: true },
      WHOLE,
      "completed",
      true,
    ],
    ["a flush while it is open", { type: "flush", unseen: false }, STREAM, "canceled", false],
    ["a flush of one that nobody sees", { type: "flush", unseen: true }, STREAM, "completed", true],
  ])("%s", (_name, event, passed, ending, unseen) => {
    expect(next(OPEN, event, passed)).toEqual({ phase: "settled", ending, unseen });
  });

  test("once, whatever comes after", () => {
    const settled = next(OPEN, { type: "cancel" }, STREAM);
    for (const type of ["terminal", "end", "error", "refused"] as const)
      expect(next(settled, { type }, DONE)).toBe(settled);
  });
});
