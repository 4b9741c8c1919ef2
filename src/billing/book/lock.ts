import type { DatabaseSync } from "node:sqlite";
import { SpendfuseError } from "../../core/errors.ts";

/**
 * Locks a book for its only poller: an open transaction on a file beside it. The operating system releases the lock
 * however the process ends.
 * @throws SpendfuseError `SPENDFUSE_STORE` while another process holds it.
 */
export function lockBook(Database: typeof DatabaseSync, path: string): () => void {
  const where = `${path}.lock`;
  let db: DatabaseSync | undefined;
  try {
    db = new Database(where, { timeout: 0 });
    db.exec("BEGIN EXCLUSIVE");
    return () => db?.close();
  } catch (error) {
    db?.close();
    const reason = (error as Error).message;
    if (!/locked|busy/i.test(reason))
      throw new SpendfuseError(
        "SPENDFUSE_STORE",
        `${where} cannot be opened: ${reason}; this user needs to write to its folder`,
        { path: where },
        error,
      );
    throw new SpendfuseError(
      "SPENDFUSE_STORE",
      `another poller is at work on ${path}: let it be, or end it and run this again`,
      { path },
      error,
    );
  }
}
