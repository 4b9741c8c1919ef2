import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { run } from "../package/processes.ts";
import { APPS, CACHE } from "./installed.ts";

/** An install may have 750 MB. */
const INSTALL_MS = 15 * 60_000;

/**
 * The Python of the virtual environment of a project of `test/apps`, installed as its requirements pin it and kept in the
 * user's cache. Where it cannot be installed the test is skipped with the reason; in CI it fails.
 */
export async function needPython(context: TestContext, app: string): Promise<string> {
  try {
    return await installedPython(app);
  } catch (error) {
    if (process.env.CI === "true") throw error;
    const [reason = "no reason given"] = (error as Error).message
      .split("\n")
      .filter((line) => /ERROR|ended with|ENOENT/.test(line));
    return context.skip(`test/apps/${app} cannot be installed: ${reason}`);
  }
}

/** Its Python. @throws Error with pip's output when it cannot be installed. */
export async function installedPython(app: string): Promise<string> {
  const requirements = join(APPS, app, "requirements.txt");
  const version = createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 12);
  const kept = join(CACHE, `${app}-${version}`);
  const python = join(kept, "bin/python");
  if (existsSync(kept)) return python;
  mkdirSync(CACHE, { recursive: true });
  const fresh = mkdtempSync(`${kept}-`);
  const options = { cwd: fresh, timeoutMs: INSTALL_MS };
  try {
    await run("python3", ["-m", "venv", fresh], options);
    // Its programs name the folder that they were installed in; Python itself may be moved.
    await run(join(fresh, "bin/python"), ["-m", "pip", "install", "--quiet", "--requirement", requirements], options);
    renameSync(fresh, kept);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    if (!existsSync(kept)) throw error;
  }
  return python;
}
