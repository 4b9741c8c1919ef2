/** Whether another process holds the lock. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && /database is locked|busy/i.test(error.message);
}

/** Whether the connection is of no more use, though the file may be. */
export function isBroken(error: unknown): boolean {
  return error instanceof Error && /disk I\/O|finalized|not open/i.test(error.message);
}

/** How to fix an error of SQLite, to be appended to its message. */
export function fixOf(reason: string): string {
  if (/locked|busy/i.test(reason)) return "; another process holds the lock: retry, and end that process if it hangs";
  if (/full/i.test(reason)) return "; free some space on its disk";
  if (/not a database|malformed/i.test(reason)) return "; move that file away, or name another one";
  if (/readonly|permission|EACCES|unable to open/i.test(reason))
    return "; this user needs write access to it and its folder";
  return "; check its disk, or name another file";
}
