import { defineConfig } from "vitest/config";

/** These wait for processes of their own, or a browser: two at a time take little more than one. */
const WAITING = [
  "test/billing/*.test.ts",
  "test/datadog/deploy.test.ts",
  "test/demo.test.ts",
  "test/doctor/*.test.ts",
  "test/frameworks/*.test.ts",
  "test/sandbox/command.test.ts",
  "test/sandbox/page.test.ts",
];

export default defineConfig({
  test: {
    reporters: ["default", "./test/summary-reporter.ts"],
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: "one",
          include: ["test/**/*.test.ts"],
          exclude: ["**/node_modules/**", "test/apps/**", ...WAITING],
          // The machine for themselves: some look at how several processes share it, or end within a second.
          maxWorkers: 1,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: "two", include: WAITING, maxWorkers: 2, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
