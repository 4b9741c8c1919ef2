import { join } from "node:path";

const { lstatSync, mkdirSync } = process.getBuiltinModule("node:fs");

/**
 * The directory of what outlives a process: the given one, or the user's own among the temporary ones. Undefined when it
 * cannot be created, or when another user created ours first: they could read it, or make us send their data.
 */
export function openState(given: string | undefined): string | undefined {
  try {
    const { tmpdir, userInfo } = process.getBuiltinModule("node:os");
    const dir = given ?? join(tmpdir(), `spendfuse-${process.getuid?.() ?? userInfo().username}`);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    if (given !== undefined || process.getuid === undefined) return dir;
    const { uid, mode, isDirectory } = lstatOf(dir);
    return isDirectory && uid === process.getuid() && (mode & 0o022) === 0 ? dir : undefined;
  } catch {
    return undefined;
  }
}

function lstatOf(dir: string) {
  const stats = lstatSync(dir);
  return { uid: stats.uid, mode: stats.mode, isDirectory: stats.isDirectory() };
}
