import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { plainEnvironment } from "./paired.ts";

const run = promisify(execFile);

/** The number that a program of `programs/` prints. */
export async function printedBy(program: string, args: readonly string[]): Promise<number> {
  const path = fileURLToPath(new URL(`programs/${program}.ts`, import.meta.url));
  const env = plainEnvironment() as NodeJS.ProcessEnv;
  const { stdout } = await run(process.execPath, ["--expose-gc", path, ...args], { env });
  return Number(stdout);
}
