import { evictOldest } from "../core/bounded-map.ts";
import type { Blocked } from "./blocked.ts";
import { explain, type RaiseWith } from "./refusal.ts";

/** Logs a refusal: one line per scope and window. */
export type RefusalLog = (blocked: Blocked) => void;

const MAX_LOGGED = 1_000;

interface RefusalLogOptions {
  readonly mode: "enforce" | "shadow";
  readonly raise?: RaiseWith | undefined;
  readonly say: (line: string) => void;
}

export function createRefusalLog({ mode, raise, say }: RefusalLogOptions): RefusalLog {
  const logged = new Set<string>();
  const verb = mode === "shadow" ? "shadow mode: would refuse" : "refuses";
  return (blocked) => {
    const { reason, scope, budget, run, until, unknown, why } = blocked;
    // A circuit is logged as it opens, an unknown state while it lasts.
    if (unknown !== undefined || (mode === "enforce" && reason !== "budget")) return;
    const key = JSON.stringify([reason, scope, budget, run ?? until, why]);
    if (logged.has(key)) return;
    if (logged.size >= MAX_LOGGED) evictOldest(logged, MAX_LOGGED);
    logged.add(key);
    say(`${verb} calls of ${scope}: ${explain(blocked, raise)}`);
  };
}
