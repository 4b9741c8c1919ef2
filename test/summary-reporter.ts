import { readFileSync } from "node:fs";
import type { Reporter, SerializedError, TestCase, TestModule } from "vitest/node";
import { reasonsOf, skippedLines } from "./skip-reasons.ts";

/**
 * Says in one plain line how many tests ran, for CI that does not know vitest, and below it why others did not. Errors
 * outside of tests count as failed.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    const skipped = new Map<string, number>();
    for (const module of modules) {
      counts.failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts[state] += 1;
        if (state !== "skipped" && state !== "pending") continue;
        const reason = noteOf(test) ?? reasonsOf(readFileSync(module.moduleId, "utf8"));
        skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
      }
    }
    const line = `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped + counts.pending} skipped`;
    const lines = [line, ...skippedLines(skipped)];
    // After vitest's own summary, which it prints when the reporters have been told.
    process.once("exit", () => process.stdout.write(`\n${lines.join("\n")}\n`));
  }
}

/** What a test said when it skipped itself. */
function noteOf(test: TestCase): string | undefined {
  const result = test.result();
  return result.state === "skipped" ? result.note : undefined;
}
