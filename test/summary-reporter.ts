import type { Reporter, SerializedError, TestModule } from "vitest/node";

/** Says in one plain line how many tests ran, for CI that does not know vitest. Errors outside of tests count as failed. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      counts.failed += module.errors().length;
      for (const test of module.children.allTests()) counts[test.result().state] += 1;
    }
    const line = `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped + counts.pending} skipped`;
    // After vitest's own summary, which it prints when the reporters have been told.
    process.once("exit", () => process.stdout.write(`\n${line}\n`));
  }
}
