import type { AuditEntry, Store } from "../stores/store.ts";

/** Passes on what is new in a store's log, the oldest first. */
export interface LogFollower {
  /** Resolves to the number of entries passed on. Rejects when the store or the receiver fails; nothing is lost then. */
  follow(): Promise<number>;
}

/** Entries that are read at once. */
const MAX_ROWS = 500;
/** Each process logs a budget's stop on its own: equal ones this close are one. */
const SAME_MS = 600_000;
const MAX_SEEN = 2_000;

/** @param since Entries before it are not passed on, in milliseconds since the epoch. */
export function createLogFollower(
  store: Pick<Store, "audit">,
  since: number,
  receive: (entry: AuditEntry) => Promise<void>,
): LogFollower {
  let from = since;
  const seen = new Set<string>();
  const told = new Map<string, number>();

  function isRepeat(entry: AuditEntry): boolean {
    if (entry.what !== "stop") return false;
    const key = `${entry.scope} ${entry.why}`;
    return entry.at - (told.get(key) ?? Number.NEGATIVE_INFINITY) < SAME_MS;
  }

  return {
    async follow() {
      const entries = (await store.audit(MAX_ROWS)).filter(({ at }) => at >= from).reverse();
      let count = 0;
      for (const entry of entries) {
        const key = JSON.stringify([entry.at, entry.scope, entry.what, entry.by, entry.why, entry.budget, entry.after]);
        if (seen.has(key)) continue;
        if (!isRepeat(entry)) {
          await receive(entry);
          count += 1;
          if (entry.what === "stop") told.set(`${entry.scope} ${entry.why}`, entry.at);
        }
        seen.add(key);
      }
      if (seen.size > MAX_SEEN) {
        // What is older than all that was read last cannot come again.
        seen.clear();
        told.clear();
        from = (entries.at(-1)?.at ?? from) + 1;
      }
      return count;
    },
  };
}
