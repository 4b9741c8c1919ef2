import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What a program that has ended left behind in its state directory, and whether something is sending it already. */
interface Leftovers {
  /** Names of the exports that wait on disk. */
  readonly kept: readonly string[];
  /** The process that such a program starts at its end is running; as far as Linux shows it, elsewhere never. */
  readonly isBeingSent: boolean;
}

function leftoversIn(stateDir: string): Leftovers {
  const spool = join(stateDir, "spool");
  // In this order: the sender removes an export only when it was taken.
  const isBeingSent = commands().some((command) => command.includes("sender") && command.includes(spool));
  return { kept: existsSync(spool) ? readdirSync(spool) : [], isBeingSent };
}

/**
 * Waits until everything has arrived. Of what a program left on disk that takes another start, as it would for a user:
 * how soon its sender gets through depends on the machine, and is not asked here.
 * @param hasArrived Whether it has.
 * @param nextStart Runs another program with the same state directory to its end.
 * @throws When something neither arrived nor is kept.
 */
export async function untilArrived(
  stateDir: string,
  hasArrived: () => boolean,
  nextStart: () => Promise<unknown>,
): Promise<void> {
  for (;;) {
    const { kept, isBeingSent } = leftoversIn(stateDir);
    if (hasArrived()) return;
    if (isBeingSent) await new Promise((resolve) => setTimeout(resolve, 20));
    else if (kept.length === 0) throw new Error("lost: neither sent nor kept for the next start");
    else await nextStart();
  }
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
