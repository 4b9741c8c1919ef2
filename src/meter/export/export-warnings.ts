/**
 * Warnings of the exporter. OpenTelemetry's own is silent about a wrong key or a partial success; this one logs each
 * kind of failure once, until exporting works again. Each also counts as a fault of the step `exporter`.
 */
export interface ExportWarnings {
  failed(reason: string, kept: boolean): void;
  rejected(items: number, reason: string): void;
  dead(reason: string): void;
  /** A point was left out of an export. */
  invalid(metric: string): void;
  lost(exports: number): void;
  /** Exporting works: later failures are logged again. */
  recovered(): void;
}

export function createExportWarnings(
  warn: (message: string) => void,
  fault: (step: "exporter") => void,
): ExportWarnings {
  const logged = new Set<string>();

  function warnOnce(kind: string, message: string): void {
    try {
      fault("exporter");
      if (logged.has(kind)) return;
      logged.add(kind);
      warn(message);
    } catch {
      // The listener failed.
    }
  }

  return {
    failed: (reason, kept) =>
      warnOnce(
        "failed",
        `export failed: ${reason}; ${kept ? "it is kept and will be sent again" : "there is no place to keep it"}`,
      ),
    rejected: (items, reason) => warnOnce("rejected", `${items} points or spans are lost: ${reason}`),
    dead: (reason) => warnOnce("dead", `an export was refused again and again and is given up: ${reason}`),
    invalid: (metric) => warnOnce("invalid", `a point of ${metric} is no number and was left out of an export`),
    lost: (exports) => warnOnce("lost", `${exports} exports are lost: there was no room to keep them`),
    recovered: () => logged.clear(),
  };
}
