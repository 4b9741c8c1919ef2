import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");

/** A copy of the project in a temporary directory, with the dependencies linked. */
export interface WorkingCopy {
  readonly dir: string;
  remove(): void;
}

/**
 * Copies what git tracks, and new files that it does not ignore, as they are now. Code may be broken in the copy: the
 * project itself is never written to, whatever ends the process. Removed when the process exits.
 */
export function copyProject(name: string): WorkingCopy {
  const dir = mkdtempSync(join(tmpdir(), `spendfuse-${name}-`));
  const remove = (): void => rmSync(dir, { recursive: true, force: true });
  process.once("exit", remove);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
  const git = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  for (const path of execFileSync("git", git, { cwd: ROOT, encoding: "utf8" }).split("\0")) {
    if (path === "" || !existsSync(join(ROOT, path))) continue;
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    copyFileSync(join(ROOT, path), join(dir, path));
  }
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
  return { dir, remove };
}
