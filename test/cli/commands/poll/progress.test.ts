import { expect, test } from "vitest";
import { createProgressBar } from "../../../../src/cli/commands/poll/progress.ts";

function terminal(isTTY: boolean) {
  let written = "";
  const stream = {
    isTTY,
    columns: 100,
    write: (text: string) => {
      written += text;
    },
  } as unknown as NodeJS.WriteStream;
  return { bar: createProgressBar(stream), written: () => written };
}
const progress = { report: "costs 1d", done: 6, of: 24, rows: 1_234 };

test("a backfill has a bar, drawn over itself, on a terminal", () => {
  const { bar, written } = terminal(true);
  bar.draw("OpenAI", progress);
  bar.draw("OpenAI", { ...progress, done: 24 });
  bar.clear();
  const [, first = "", second = "", last] = written().split("\r\x1b[2K");
  expect(first).toBe("OpenAI ██████░░░░░░░░░░░░░░░░░░ 6 of 24 windows, 1,234 rows  costs 1d");
  expect(second).toContain(`${"█".repeat(24)} 24 of 24`);
  expect(last).toBe("");
});

test("a log has none, nor has a poll of a few windows", () => {
  for (const { bar, written } of [terminal(false)]) {
    bar.draw("OpenAI", progress);
    bar.clear();
    expect(written()).toBe("");
  }
  const few = terminal(true);
  few.bar.draw("OpenAI", { ...progress, of: 3 });
  expect(few.written()).toBe("");
});
