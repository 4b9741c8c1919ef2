import { closeSync, globSync, openSync, readSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

const TESTS = "test/**/*.test.ts";
/** Tests of parts that others wrote, each with an install step of its own: `npm run test:real`. */
const REAL = "test/real/**/*.test.ts";
const NO_TESTS = ["**/node_modules/**", "test/apps/**", REAL];
/** The first line of a file whose tests need the machine for themselves, and why: `// @serial: reason`. */
const SERIAL = "// @serial: ";

const serial = globSync(TESTS, { exclude: NO_TESTS }).filter((path) => firstBytes(path, SERIAL.length) === SERIAL);

function firstBytes(path: string, count: number): string {
  const file = openSync(path, "r");
  const bytes = Buffer.alloc(count);
  readSync(file, bytes);
  closeSync(file);
  return bytes.toString();
}

export default defineConfig({
  test: {
    reporters: ["default", "./test/summary-reporter.ts"],
    pool: "forks",
    setupFiles: ["./test/temporary-folder.ts"],
    // Only against what hangs: how long a test takes is the machine's affair.
    testTimeout: 300_000,
    hookTimeout: 600_000,
    // Hundreds of processes are started from the sources: with their code kept, each begins in half the time.
    env: { NODE_COMPILE_CACHE: join(tmpdir(), `spendfuse-test-code-${userInfo().username}`) },
    projects: [
      {
        extends: true,
        test: {
          name: "parallel",
          include: [TESTS],
          exclude: [...NO_TESTS, ...serial],
          // Many wait for processes of their own, which work while their file waits.
          maxWorkers: 4,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: "serial", include: serial, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
      {
        extends: true,
        test: {
          name: "real",
          include: [REAL],
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
          // A test builds its part first where nobody has: Prometheus takes five minutes on an idle machine.
          testTimeout: 1_800_000,
        },
      },
    ],
  },
});
