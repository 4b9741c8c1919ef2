import { setBounded } from "../core/bounded-map.ts";

/** Logs a line, at most once per kind and 30 seconds. */
export type Notices = (kind: string, line: string) => void;

const EVERY_MS = 30_000;
const MAX_KINDS = 1_000;

export function createNotices(say: (line: string) => void, clock: () => number): Notices {
  const loggedAt = new Map<string, number>();
  return (kind, line) => {
    const now = clock();
    // The clock may have been set back since.
    if (Math.abs(now - (loggedAt.get(kind) ?? Number.NEGATIVE_INFINITY)) < EVERY_MS) return;
    setBounded(loggedAt, kind, now, MAX_KINDS);
    say(line);
  };
}
