import { expect, test } from "vitest";
import { withOwnBudget } from "../../../../src/meter/transports/child-process/own-budget.ts";
import { findProgram } from "../../../../src/meter/transports/child-process/past.ts";

const SDK = ["--output-format", "stream-json", "--verbose", "--input-format", "stream-json"];

const ROWS: Readonly<Record<string, [args: string[], left: number | undefined, sent: string[]]>> = {
  "of a run that was told what to do": [["-p", "x"], 0.5, ["--max-budget-usd", "0.500000", "-p", "x"]],
  "as the Agent SDK starts it": [SDK, 2, ["--max-budget-usd", "2.000000", ...SDK]],
  "a higher one of the caller's": [
    ["-p", "x", "--max-budget-usd", "5"],
    2,
    ["-p", "x", "--max-budget-usd", "2.000000"],
  ],
  "a higher one, joined": [["--max-budget-usd=5", "-p", "x"], 2, ["--max-budget-usd=2.000000", "-p", "x"]],
  "a lower one of the caller's stays": [["--max-budget-usd", "1", "-p", "x"], 2, ["--max-budget-usd", "1", "-p", "x"]],
  "one that cannot be read stays": [["-p", "x", "--max-budget-usd", "all"], 2, ["-p", "x", "--max-budget-usd", "all"]],
  "rounded down, and never in powers of ten": [["-p", "x"], 0.00000199, ["--max-budget-usd", "0.000001", "-p", "x"]],
  "nothing left: its first call is refused": [["-p", "x"], 0, ["-p", "x"]],
  "no budget, or not asked to": [["-p", "x"], undefined, ["-p", "x"]],
  "for a person at a terminal": [[], 2, []],
};

test.each(Object.entries(ROWS))("the budget of Claude Code: %s", (_name, [args, left, sent]) => {
  for (const [file, before] of [
    ["/usr/bin/claude", []],
    ["npx", ["-y", "@anthropic-ai/claude-code"]],
    ["node", ["/app/node_modules/@anthropic-ai/claude-agent-sdk/cli.js"]],
  ] as const) {
    const launch = { file, args: [...before, ...args] };
    const found = findProgram(launch, false);
    if (found === undefined) throw new Error(`${file} is not found`);
    expect(withOwnBudget(launch.args, found, left)).toEqual([...before, ...sent]);
  }
});

test("no other program, and no command of a shell, is given one", () => {
  for (const [file, args, isShell] of [
    ["codex", ["exec", "x"], false],
    ["gemini", ["-p", "x"], false],
    ["sh", ["-c", "claude -p x"], true],
  ] as const) {
    const found = findProgram({ file, args }, isShell);
    if (found === undefined) throw new Error(`${file} is not found`);
    expect(withOwnBudget(args, found, 2)).toEqual(args);
  }
});
