import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "test/apps/**"],
    reporters: ["default", "./test/summary-reporter.ts"],
    pool: "forks",
    // Many files wait for processes of their own: on two cores, two at a time take little more than one.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 120_000,
  },
});
