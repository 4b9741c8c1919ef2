/**
 * What the exporter has to say. OpenTelemetry's own is silent about a wrong key or a partial success; this one says each
 * thing once, until exporting works again. Every one counts as a fault of the step `exporter`.
 */
export interface Complaints {
  failed(reason: string, kept: boolean): void;
  rejected(items: number, reason: string): void;
  dead(reason: string): void;
  lost(exports: number): void;
  /** Exporting works: what goes wrong from here on is new. */
  recovered(): void;
}

export function createComplaints(warn: (message: string) => void, fault: (step: "exporter") => void): Complaints {
  const said = new Set<string>();

  function complain(kind: string, message: string): void {
    try {
      fault("exporter");
      if (said.has(kind)) return;
      said.add(kind);
      warn(message);
    } catch {
      // Whoever listens has a fault of its own.
    }
  }

  return {
    failed: (reason, kept) =>
      complain(
        "failed",
        `export failed: ${reason}; ${kept ? "it is kept and will be sent again" : "there is no place to keep it"}`,
      ),
    rejected: (items, reason) => complain("rejected", `${items} points or spans are lost: ${reason}`),
    dead: (reason) => complain("dead", `an export was refused again and again and is given up: ${reason}`),
    lost: (exports) => complain("lost", `${exports} exports are lost: there was no room to keep them`),
    recovered: () => said.clear(),
  };
}
