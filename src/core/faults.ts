/** Internal steps whose failures never reach the caller. */
export type Step =
  | "request"
  | "identity"
  | "parser"
  | "body"
  | "bypass"
  | "settle"
  /** A vendor reported a figure that cannot be. */
  | "figure"
  | "estimate"
  | "guard"
  | "price"
  | "ledger"
  | "instruments"
  | "span"
  | "listener"
  | "exporter"
  | "spool"
  | "config";

/** Counts internal faults, and reports the first of each step. */
export interface Faults {
  /** Runs an internal step; what it throws is counted and swallowed. */
  guard<T>(step: Step, run: () => T): T | undefined;
  /** Counts a fault; without an error it is not logged again. */
  report(step: Step, error?: unknown): void;
  counts(): ReadonlyMap<Step, number>;
  onFault(listener: (step: Step) => void): void;
}

/** @param debugs Whether every fault is reported, with its stack, and not only the first of each step. */
export function createFaults(warn: (message: string) => void, debugs: () => boolean = () => false): Faults {
  const counts = new Map<Step, number>();
  let listener: ((step: Step) => void) | undefined;

  function report(step: Step, error?: unknown): void {
    const before = counts.get(step) ?? 0;
    counts.set(step, before + 1);
    try {
      if (error !== undefined) {
        if (debugs())
          warn(`debug: fault in step "${step}": ${(error instanceof Error && error.stack) || describe(error)}`);
        else if (before === 0) warn(`a fault in step "${step}" was swallowed, calls go on: ${describe(error)}`);
      }
      listener?.(step);
    } catch {
      // The warning itself failed. The fault is counted, and must not reach the caller.
    }
  }

  return {
    report,
    guard(step, run) {
      try {
        return run();
      } catch (error) {
        report(step, error);
        return undefined;
      }
    },
    counts: () => counts,
    onFault(added) {
      listener = added;
    },
  };
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
