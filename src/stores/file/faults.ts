/** Another process writes at this moment. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && /database is locked|busy/i.test(error.message);
}

/** What to do about an error of SQLite, to be put behind its own words. */
export function fixOf(reason: string): string {
  if (/locked|busy/i.test(reason)) return "; another process holds it, which passes, unless that one hangs";
  if (/full/i.test(reason)) return "; free some space on its disk";
  if (/not a database|malformed/i.test(reason)) return "; move that file away, or name another one";
  if (/readonly|permission|EACCES|unable to open/i.test(reason))
    return "; this user needs to write to it and its folder";
  return "";
}
