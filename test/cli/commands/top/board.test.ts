import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import {
  drawBoard,
  FIRST_VIEW,
  type Line,
  linesOf,
  nextView,
  type Order,
  type Readings,
  shownLines,
  type View,
  withReading,
} from "../../../../src/cli/commands/top/board.ts";
import { createStyle } from "../../../../src/terminal/style.ts";

const style = createStyle(new PassThrough());
const total = (nano: number, calls = 1) => ({ calls, tokens: calls * 10, nano, inexact: 0 });
const line = (name: string, nano: number, more: Partial<Line> = {}): Line => ({
  ...{ name, calls: 1, tokens: 10, nano, inexact: 0, pace: 0, circuit: "" },
  ...more,
});
const LINES = [line("writer", 1e9), line("researcher", 3e9, { calls: 5 }), line("painter", 2e9, { circuit: "open" })];

/** The view after these keys, and the last order. */
function press(keys: readonly string[], lines: readonly Line[] = LINES): readonly [View, Order | undefined] {
  let view = FIRST_VIEW;
  let order: Order | undefined;
  for (const key of keys) [view, order] = nextView(view, key, lines);
  return [view, order];
}

const names = (view: View): readonly string[] => shownLines(view, LINES).map(({ name }) => name);

describe("readings", () => {
  test("the pace is what came in the last minute, and a name that is new began at zero", () => {
    let readings: Readings = [];
    for (let second = 0; second <= 300; second++) {
      const totals = new Map([["a", total(second * 1e6)]]);
      if (second > 290) totals.set("b", total(5e9));
      readings = withReading(readings, totals, second * 1_000);
    }
    expect(readings.length).toBeLessThan(65);
    const [a, b] = linesOf(readings, new Map([["agent:b", "open"]]), "agent");
    expect(a?.pace).toBeCloseTo(60e6, -6);
    expect(b).toMatchObject({ name: "b", nano: 5e9, circuit: "open" });
    expect(b?.pace).toBeGreaterThan(4.9e9);
  });

  test("the first reading has no pace, and a source that begins again none below zero", () => {
    const first = withReading([], new Map([["a", total(5e9)]]), 1_000);
    expect(linesOf(first, new Map(), "agent")).toMatchObject([{ pace: 0 }]);
    const next = withReading(first, new Map([["a", total(1e9)]]), 2_000);
    expect(linesOf(next, new Map(), "agent")).toMatchObject([{ nano: 1e9, pace: 0 }]);
  });

  test("a circuit of all is everyone's", () => {
    const readings = withReading([], new Map([["a", total(1)]]), 0);
    expect(linesOf(readings, new Map([["all", "open"]]), "agent")).toMatchObject([{ circuit: "open" }]);
  });
});

describe("keys", () => {
  test("s and S sort by the columns in turn", () => {
    expect(names(FIRST_VIEW)).toEqual(["researcher", "painter", "writer"]);
    expect(names(press(["s", "s"])[0])).toEqual(["researcher", "painter", "writer"]);
    expect(press(["S"])[0].sort).toBe(4);
    expect(press(["s", "s", "s", "s", "s"])[0].sort).toBe(0);
  });

  test("/ filters while it is typed, return keeps it, escape ends it", () => {
    expect(names(press(["/", "R", "E", "s"])[0])).toEqual(["researcher"]);
    expect(names(press(["/", "x", "backspace", "p", "return"])[0])).toEqual(["painter"]);
    expect(names(press(["/", "p", "return", "escape"])[0])).toHaveLength(3);
    expect(press(["/", "q"])[1]).toBeUndefined();
  });

  test("t and r ask before they act, on the line that is selected", () => {
    expect(press(["t"])[0].message).toContain("select a line");
    expect(press(["down", "down", "t"])[0].mode).toEqual({ type: "confirm", verb: "trip", name: "painter" });
    expect(press(["down", "t", "y"])[1]).toEqual({ type: "change", verb: "trip", name: "researcher" });
    expect(press(["down", "up", "up", "r", "y"])[1]).toEqual({ type: "change", verb: "reset", name: "researcher" });
    const [view, order] = press(["down", "t", "q"]);
    expect([view.mode.type, view.message, order]).toEqual(["list", "nothing was changed", undefined]);
  });

  test("what is filtered out is not acted on", () => {
    expect(press(["down", "/", "p", "return", "t"])[0].message).toContain("select a line");
  });

  test.each([["q"], ["ctrl-c"], ["/", "ctrl-c"], ["down", "t", "ctrl-c"]])("%j quits", (...keys) => {
    expect(press(keys)[1]).toEqual({ type: "quit" });
  });
});

describe("the board", () => {
  const draw = (view: View, lines: readonly Line[], height: number | undefined) =>
    drawBoard(view, lines, { title: "file store", by: "agent", style, height });

  test("printed once it has sums and every line, and no keys", () => {
    expect(draw(FIRST_VIEW, LINES, undefined)).toEqual([
      "$6.00, $0.00 a minute, 3 agents  file store",
      "",
      "agent        cost  per minute  calls  tokens  inexact  circuit",
      expect.stringMatching(/^─+$/),
      "researcher  $3.00       $0.00      5      10",
      "painter     $2.00       $0.00      1      10           open",
      "writer      $1.00       $0.00      1      10",
    ]);
  });

  test("fits its terminal, and the selected line is always seen", () => {
    const many = Array.from({ length: 100 }, (_, index) =>
      line(`agent-${String(index).padStart(3, "0")}`, 100 - index),
    );
    const [view] = press(Array(50).fill("down"), many);
    const drawn = draw(view, many, 20);
    expect(drawn.length).toBeLessThanOrEqual(20);
    expect(drawn.join("\n")).toContain("agent-049");
    expect(draw(view, many, 3).join("\n")).toContain("agent-049");
  });

  test("says when there is nothing, and when the filter hides all", () => {
    expect(draw(FIRST_VIEW, [], undefined)).toContain("nothing was metered yet");
    expect(draw(press(["/", "z"])[0], LINES, 24)).toContain('no agent contains "z"');
  });

  test("what a change will do stands at its foot before it is done", () => {
    const foot = draw(press(["down", "t"])[0], LINES, 24).at(-1);
    expect(foot).toBe("refuse every call of researcher in all processes? y, or any other key");
  });
});
