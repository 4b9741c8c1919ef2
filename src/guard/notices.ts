import { setBounded } from "../core/bounded-map.ts";

/** Says a line of a kind, but not again for a while. */
export type Notices = (kind: string, line: string) => void;

const EVERY_MS = 30_000;
const MAX_KINDS = 1_000;

export function createNotices(say: (line: string) => void, clock: () => number): Notices {
  const said = new Map<string, number>();
  return (kind, line) => {
    const now = clock();
    if (now - (said.get(kind) ?? Number.NEGATIVE_INFINITY) < EVERY_MS) return;
    setBounded(said, kind, now, MAX_KINDS);
    say(line);
  };
}
