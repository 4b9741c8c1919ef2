import type { DatabaseSync, StatementSync } from "node:sqlite";

export interface TransactionStatements {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly rollback: StatementSync;
}

/** Does all of it, or none. */
export function inTransaction<T>(db: DatabaseSync, sql: TransactionStatements, run: () => T): T {
  sql.begin.run();
  try {
    const result = run();
    sql.commit.run();
    return result;
  } catch (error) {
    if (db.isTransaction) sql.rollback.run();
    throw error;
  }
}
