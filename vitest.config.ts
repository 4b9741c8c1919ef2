import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

/** These look at no clock, wait for processes of their own, or for a browser: two files at a time. */
const SIDE_BY_SIDE = [
  "test/billing/**/*.test.ts",
  "test/cli/**/*.test.ts",
  "test/core/*.test.ts",
  "test/datadog/*.test.ts",
  "test/demo/demo.test.ts",
  "test/doctor/*.test.ts",
  "test/meter/identity/**/*.test.ts",
  "test/meter/metrics/*.test.ts",
  "test/meter/propagation/*.test.ts",
  "test/package/*.test.ts",
  "test/pricing/*.test.ts",
  "test/recordings/*.test.ts",
  "test/sandbox/*.test.ts",
  "test/sdks/*.test.ts",
];

export default defineConfig({
  test: {
    reporters: ["default", "./test/summary-reporter.ts"],
    pool: "forks",
    // Only against what hangs: how long a test takes is the machine's affair.
    testTimeout: 300_000,
    hookTimeout: 600_000,
    // Hundreds of processes are started from the sources: with their code kept, each begins in half the time.
    env: { NODE_COMPILE_CACHE: join(tmpdir(), `spendfuse-test-code-${userInfo().username}`) },
    projects: [
      {
        extends: true,
        test: {
          name: "one",
          include: ["test/**/*.test.ts"],
          exclude: ["**/node_modules/**", "test/apps/**", ...SIDE_BY_SIDE],
          // The machine for themselves: some look at how several processes share it, or end within a second.
          maxWorkers: 1,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: "two", include: SIDE_BY_SIDE, maxWorkers: 2, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
