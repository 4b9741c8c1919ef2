import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Runs a program of `programs/` in the environment of a user who has configured nothing, and reads what it prints. */
export async function runProgram(
  name: string,
  args: readonly string[] = [],
  flags: readonly string[] = [],
): Promise<unknown> {
  const path = fileURLToPath(new URL(`programs/${name}`, import.meta.url));
  const { stdout } = await execute(process.execPath, [...flags, path, ...args], {
    env: plainEnvironment(),
    maxBuffer: 1e8,
  });
  return JSON.parse(stdout) as unknown;
}

/** Runs a race in several processes, because one compilation comes out better than another. Returns all its rows. */
export async function runRace(name: string, args: readonly string[], processes: number): Promise<number[][]> {
  const rows: number[][] = [];
  for (let i = 0; i < processes; i++) rows.push(...((await runProgram(name, args)) as number[][]));
  return rows;
}

function plainEnvironment(): NodeJS.ProcessEnv {
  const env = { ...process.env };
  delete env.NODE_OPTIONS;
  for (const name of Object.keys(env)) if (/^(OTEL|DD|SPENDFUSE)_/.test(name)) delete env[name];
  return env;
}
