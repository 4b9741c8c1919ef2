const { readFileSync } = process.getBuiltinModule("node:fs");

/** A process as another one can recognise it: a pid is reused, in containers at once. */
export interface ProcessId {
  readonly pid: number;
  /** When it began, in the kernel's own unit; empty where that cannot be read. */
  readonly began: string;
}

export function processId(pid: number): ProcessId {
  return { pid, began: startTimeOf(pid) };
}

/** Whether that process still runs. True when in doubt. */
export function isRunning({ pid, began }: ProcessId): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== "EPERM") return false;
  }
  const now = startTimeOf(pid);
  return began === "" || now === "" || began === now;
}

/** Field 22 of /proc/PID/stat, which exists on Linux only. The name in field 2 may hold spaces and brackets. */
function startTimeOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
