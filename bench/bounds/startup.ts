import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Bound } from "../bound.ts";
import { median, plainEnvironment } from "../paired.ts";

const RUNS = 40;

const APP = fileURLToPath(new URL("../programs/first-line.mjs", import.meta.url));
const REGISTER = new URL("../../dist/register.js", import.meta.url).href;
const run = promisify(execFile);

/** Milliseconds that `--import spendfuse/register` delays the first line of an app. */
export const startup: Bound = {
  limit: 40,
  unit: "ms",
  async measure() {
    const bare: number[] = [];
    const metered: number[] = [];
    for (let i = 0; i < RUNS; i++) {
      bare.push(await firstLine([]));
      metered.push(await firstLine(["--import", REGISTER]));
    }
    return median(metered) - median(bare);
  },
};

async function firstLine(args: readonly string[]): Promise<number> {
  const env = plainEnvironment() as NodeJS.ProcessEnv;
  const { stdout } = await run(process.execPath, [...args, APP], { env });
  return Number(stdout);
}
