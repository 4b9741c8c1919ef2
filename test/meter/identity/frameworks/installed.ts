import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { run } from "../../../package/processes.ts";

const APPS = join(import.meta.dirname, "../../../apps");
const QUIET = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];

/**
 * A project of `test/apps`, installed as its lockfile says. Kept among the temporary files of this user from run to run,
 * for as long as the lockfile stays the same.
 */
export async function installedApp(name: string): Promise<string> {
  const lock = readFileSync(join(APPS, name, "package-lock.json"));
  const version = createHash("sha256").update(lock).digest("hex").slice(0, 12);
  const kept = join(tmpdir(), `spendfuse-test-${name}-${version}-${userInfo().username}`);
  if (existsSync(kept)) return kept;
  const fresh = mkdtempSync(`${kept}-`);
  cpSync(join(APPS, name), fresh, { recursive: true, filter: (path) => !path.endsWith("node_modules") });
  await run("npm", ["ci", ...QUIET], { cwd: fresh });
  try {
    renameSync(fresh, kept);
  } catch {
    // Another run was faster.
    rmSync(fresh, { recursive: true, force: true });
  }
  return kept;
}
