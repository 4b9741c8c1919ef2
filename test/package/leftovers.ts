import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./processes.ts";

/** What a program that has ended left behind in its state directory, and whether something is sending it already. */
export interface Leftovers {
  /** Names of the exports that wait on disk. */
  readonly kept: readonly string[];
  /** The process that such a program starts at its end is running; as far as Linux shows it, elsewhere never. */
  readonly isBeingSent: boolean;
}

export function leftoversIn(stateDir: string): Leftovers {
  const spool = join(stateDir, "spool");
  // In this order: what a sender leaves is there when it has ended.
  const isBeingSent = commands().some((command) => command.includes("sender") && command.includes(spool));
  return { kept: existsSync(spool) ? readdirSync(spool) : [], isBeingSent };
}

/**
 * Waits until nothing is left, and sees that everything has arrived by then. What no process is sending takes another
 * start, as it would for a user: how soon a sender gets through depends on the machine, and is not asked here.
 * @param hasArrived Whether everything has.
 * @param nextStart Runs another program with the same state directory to its end.
 * @throws When something was neither sent nor kept.
 */
export async function untilArrived(
  stateDir: string,
  hasArrived: () => boolean,
  nextStart: () => Promise<unknown>,
): Promise<void> {
  for (;;) {
    const { kept, isBeingSent } = leftoversIn(stateDir);
    if (kept.length === 0) break;
    if (isBeingSent) await new Promise((resolve) => setTimeout(resolve, 20));
    else await nextStart();
  }
  if (!hasArrived()) throw new Error("lost: neither sent nor kept for the next start");
}

/** Runs an app from the sources that makes no call, with an earlier one's environment. */
export function startNext(env: Readonly<Record<string, string>>): Promise<string> {
  return run(process.execPath, [NEXT_START], { cwd: import.meta.dirname, env });
}

const NEXT_START = join(import.meta.dirname, "../fixtures/next-start.ts");

/** What a process said on stderr, but for the line that an export which is kept took too long. */
export function withoutSlowExport(stderr: string): string {
  return stderr.replace(/^spendfuse: export failed: .* \(no answer in time\); it is kept .*\n/m, "");
}

/** The command lines of all processes. */
function commands(): readonly string[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc").flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, "utf8")] : [];
    } catch {
      // Gone meanwhile.
      return [];
    }
  });
}
