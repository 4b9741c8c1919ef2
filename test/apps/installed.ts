import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { run } from "../package/processes.ts";

export const APPS: string = import.meta.dirname;
/** Where what is installed is kept from run to run. */
export const CACHE: string = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "spendfuse");
/** Options of npm for installing without advice, from its cache where it has the package. */
export const QUIET = ["--no-audit", "--no-fund", "--prefer-offline"];

export interface InstallOptions {
  /** Whether the packages' own install scripts run. Default false. */
  readonly scripts?: boolean;
}

/**
 * The folder of a project of `test/apps`, installed as its lockfile pins it. Kept in the user's cache from run to run, for
 * as long as the lockfile stays the same.
 * @throws Error with npm's output when it cannot be installed.
 */
export async function installedApp(name: string, { scripts = false }: InstallOptions = {}): Promise<string> {
  const lock = readFileSync(join(APPS, name, "package-lock.json"));
  const version = createHash("sha256").update(lock).digest("hex").slice(0, 12);
  const kept = join(CACHE, `${name}-${version}`);
  if (existsSync(kept)) return kept;
  mkdirSync(CACHE, { recursive: true });
  const fresh = mkdtempSync(`${kept}-`);
  cpSync(join(APPS, name), fresh, { recursive: true, filter: (path) => !path.endsWith("node_modules") });
  await run("npm", ["ci", `--ignore-scripts=${!scripts}`, ...QUIET], { cwd: fresh });
  try {
    renameSync(fresh, kept);
  } catch {
    // Another run was faster.
    rmSync(fresh, { recursive: true, force: true });
  }
  return kept;
}

/**
 * The folder of an installed project that a test of `test/real` needs. Where it cannot be installed the test is skipped
 * with the reason; in CI it fails.
 */
export async function needApp(context: TestContext, name: string, options: InstallOptions = {}): Promise<string> {
  try {
    return await installedApp(name, options);
  } catch (error) {
    if (process.env.CI === "true") throw error;
    const [reason] = (error as Error).message.split("\n").filter((line) => /^npm error|ended with/.test(line));
    return context.skip(`test/apps/${name} cannot be installed: ${reason}`);
  }
}
