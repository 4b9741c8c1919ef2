import type { ScopeNode } from "../../core/scope.ts";
import { writePart } from "../../limits/scope-text.ts";
import { type AuditEntry, changeCircuit, type Store } from "../../stores/store.ts";
import type { Count } from "../budgets/budget-counter.ts";

/** What the guard itself writes to the store: circuits that it opens, and its log. Not awaited. */
export interface Trips {
  /** `now` is when the time to live begins. */
  open(scope: string, source: "budget" | "vendor_cap", reason: string, ttlMs: number, now?: number): void;
  /** Opens the circuit of a budget's scope, so that calls stay refused after a moving window has moved on. */
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

export function createTrips({ store, clock, by, onFailure }: TripsOptions): Trips {
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

  return {
    open,
    byBudget({ budget, scope }, node) {
      if (budget.tripMs === undefined) return;
      const whose = budget.per.kind === "run" ? node.scope.run && writePart(`run:${node.scope.run}`) : scope;
      if (whose) open(whose.split(",").sort().join(","), "budget", `budget "${budget.name}" is used up`, budget.tripMs);
    },
    log: (entry) => attempt(() => store.addAudit({ ...entry, at: clock(), state: "none" })),
  };
}
