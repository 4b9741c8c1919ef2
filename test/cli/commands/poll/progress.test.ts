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
  expect(written()).toContain("\x1b[2KOpenAI ██████░░░░░░░░░░░░░░░░░░ 6 of 24 windows, 1,234 rows  costs 1d\n");
  bar.draw("OpenAI", { ...progress, done: 24 });
  expect(written()).toContain(`\x1b[1A\r\x1b[2KOpenAI ${"█".repeat(24)} 24 of 24`);
  bar.clear();
  expect(written().endsWith("\x1b[1A\r\x1b[J\x1b[?25h\x1b[?7h")).toBe(true);
});

test("a log has none, nor has a poll of a few windows", () => {
  const log = terminal(false);
  log.bar.draw("OpenAI", progress);
  log.bar.clear();
  expect(log.written()).toBe("");
  const few = terminal(true);
  few.bar.draw("OpenAI", { ...progress, of: 3 });
  expect(few.written()).toBe("");
});
