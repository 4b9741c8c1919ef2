import { afterEach, describe, expect, test, vi } from "vitest";
import { createLiveLines } from "../../src/terminal/live.ts";
import { createStyle } from "../../src/terminal/style.ts";
import { textTable } from "../../src/terminal/table.ts";

afterEach(() => vi.unstubAllEnvs());

/** A stream that keeps what is written to it. A terminal asks its environment how many colours it has. */
function stream(isTTY: boolean, rows = 24) {
  let written = "";
  const getColorDepth = (): number => (process.env.NO_COLOR ? 1 : 8);
  const write = (text: string): boolean => {
    written += text;
    return true;
  };
  const out = Object.assign(Object.create(process.stdout), { isTTY, rows, columns: 80, getColorDepth, write });
  return { out: out as NodeJS.WriteStream, written: () => written };
}

describe("colours", () => {
  test.each([
    ["a terminal", true, {}, "\x1b[31mx\x1b[39m"],
    ["a terminal with NO_COLOR", true, { NO_COLOR: "1" }, "x"],
    ["a file or a pipe", false, {}, "x"],
  ])("on %s", (_, isTTY, env, shown) => {
    for (const name of ["NO_COLOR", "FORCE_COLOR"]) vi.stubEnv(name, undefined);
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    expect(createStyle(stream(isTTY).out).bad("x")).toBe(shown);
  });
});

describe("a table", () => {
  const RIGHT = { title: "cost", align: "right" } as const;

  test("is as wide as its cells, numbers to the right, nothing behind a line's end", () => {
    expect(textTable(["agent", RIGHT, "why"], [["a", "$1.00", ""], ["researcher", "$20.00", "x"], ["b"]])).toEqual([
      "agent         cost  why",
      "a            $1.00",
      "researcher  $20.00  x",
      "b",
    ]);
  });

  test("does not let what others wrote steer the terminal", () => {
    expect(textTable(["agent"], [["a\x1b[2Jb\n"]])).toEqual(["agent", "a [2Jb"]);
  });

  test("with a style has bold titles over a rule, groups over them, and colours that take no room", () => {
    vi.stubEnv("FORCE_COLOR", undefined);
    vi.stubEnv("NO_COLOR", undefined);
    const style = createStyle(stream(true).out);
    const rows = [["a", { text: "1", paint: style.bad }], "rule", ["all", "12"]] as const;
    const groups = [
      { title: "", span: 1 },
      { title: "so", span: 1 },
    ];
    expect(textTable(["agent", { ...RIGHT, width: 8 }], rows, { style, groups, gap: 1 })).toEqual([
      "      \x1b[2m── so ──\x1b[22m",
      "\x1b[1magent\x1b[22m     \x1b[1mcost\x1b[22m",
      "\x1b[2m──────────────\x1b[22m",
      "a            \x1b[31m1\x1b[39m",
      "\x1b[2m──────────────\x1b[22m",
      "all         12",
    ]);
  });
});

describe("live lines", () => {
  /** What a terminal shows of lines that are drawn over themselves. */
  function shown(written: string): readonly string[] {
    let lines: string[] = [];
    let at = 0;
    const parts = written.replaceAll("\x1b", "␛").matchAll(/␛\[(\d+)A|(␛\[J)|␛\[\??\d*[a-zA-Z]|\r|([^␛\r\n]*)\n/g);
    for (const [, up, clearBelow, text] of parts) {
      if (up !== undefined) at -= Number(up);
      else if (clearBelow !== undefined) lines = lines.slice(0, at);
      else if (text !== undefined) lines[at++] = text;
    }
    return lines;
  }

  test("are drawn over themselves, and go", () => {
    const { out, written } = stream(true);
    const live = createLiveLines(out);
    live.draw(["one", "two", "three"]);
    live.draw(["four"]);
    expect(shown(written())).toEqual(["four"]);
    live.clear();
    out.write("after\n");
    expect(shown(written())).toEqual(["after"]);
    expect(written().lastIndexOf("\x1b[?25h")).toBeGreaterThan(written().lastIndexOf("\x1b[?25l"));
  });

  test.each([
    ["in a file or a pipe", false, 24],
    ["where they are higher than the terminal", true, 2],
  ])("are not drawn %s", (_, isTTY, rows) => {
    const { out, written } = stream(isTTY, rows);
    const live = createLiveLines(out);
    live.draw(["one", "two"]);
    live.clear();
    expect(written()).toBe("");
  });
});
