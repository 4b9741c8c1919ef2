import { setBounded } from "../../core/bounded-map.ts";
import type { ScopeNode } from "../../core/scope.ts";
import { writePart } from "../../limits/scope-text.ts";
import { type AuditEntry, changeCircuit, type Store } from "../../stores/store.ts";
import type { Count } from "../budgets/budget-counter.ts";

/** What the guard itself writes to the store: circuits that it opens, and its log. Not awaited. */
export interface Trips {
  /** `now` is when the time to live begins. */
  open(scope: string, source: "budget" | "vendor_cap", reason: string, ttlMs: number, now?: number): void;
  /**
   * Logs that a budget stopped its scope. Opens the scope's circuit where the budget asks for it, so that calls stay refused
   * after a moving window has moved on.
   */
  byBudget(count: Count, node: ScopeNode): void;
  log(entry: Omit<AuditEntry, "at" | "state">): void;
}

export interface TripsOptions {
  readonly store: Store;
  readonly clock: () => number;
  /** Display name of this process. */
  readonly by: () => string;
  readonly onFailure: (error: unknown) => void;
}

const LOG_EVERY_MS = 600_000;
const MAX_LOGGED = 1_000;

export function createTrips({ store, clock, by, onFailure }: TripsOptions): Trips {
  const loggedAt = new Map<string, number>();

  function attempt(run: () => unknown): void {
    try {
      Promise.resolve(run()).catch(onFailure);
    } catch (error) {
      onFailure(error);
    }
  }

  function open(
    scope: string,
    source: "budget" | "vendor_cap",
    reason: string,
    ttlMs: number,
    now: number = clock(),
  ): void {
    const event = { type: "trip", source, reason, by: by(), ttlMs } as const;
    attempt(() => changeCircuit(store, scope, event, now));
  }

  /** For who follows the log: a budget refuses many calls, which is one stop. */
  function logStop(name: string, scope: string): void {
    const now = clock();
    const key = `${scope} ${name}`;
    if (now - (loggedAt.get(key) ?? Number.NEGATIVE_INFINITY) < LOG_EVERY_MS) return;
    setBounded(loggedAt, key, now, MAX_LOGGED);
    const entry = {
      at: now,
      scope,
      what: "stop",
      by: by(),
      why: `budget "${name}" is used up`,
      state: "none",
    } as const;
    attempt(() => store.addAudit(entry));
  }

  return {
    open,
    byBudget({ budget, scope }, node) {
      logStop(budget.name, scope);
      if (budget.tripMs === undefined) return;
      const whose = budget.per.kind === "run" ? node.scope.run && writePart(`run:${node.scope.run}`) : scope;
      if (whose) open(whose.split(",").sort().join(","), "budget", `budget "${budget.name}" is used up`, budget.tripMs);
    },
    log: (entry) => attempt(() => store.addAudit({ ...entry, at: clock(), state: "none" })),
  };
}
