import type { Report, Standing } from "../../limits/tally.ts";
import { applyStanding, type Count, reportOf } from "./budget-counter.ts";
import type { Asking, BudgetLease } from "./lease-state.ts";

/** What one exchange sends to the store. */
export interface Batch {
  readonly at: number;
  readonly parting: readonly Report[];
  readonly rows: readonly { readonly count: Count; readonly report: Report }[];
}

export const CALM: Asking = { tight: false, finalising: false };

/** Puts a count on the list of those to report. */
export function list({ dirty }: BudgetLease, count: Count): void {
  if (count.listed) return;
  count.listed = true;
  dirty.push(count);
}

export function takeBatch(lease: BudgetLease): Batch {
  const { asked, dirty, lastReports, holder, leaseMs } = lease;
  const at = lease.clock();
  const counts = new Set([...asked.keys(), ...dirty]);
  for (const count of dirty) count.listed = false;
  lease.dirty = [];
  lease.asked = new Map();
  lease.lastReports = [];
  const rows = [...counts].map((count) => {
    const { tight, finalising } = asked.get(count) ?? CALM;
    const report = reportOf(count, at, { holder, leaseMs, tight, leave: false, giveBack: false, finalising });
    return { count, report };
  });
  return { at, parting: lastReports, rows };
}

/** A report that the store could not apply is sent again with the next exchange; the others are not affected. */
export function applyStandings(
  lease: BudgetLease,
  { at, parting, rows }: Batch,
  standings: readonly (Standing | undefined)[],
): void {
  lease.silent = false;
  for (const [index, report] of parting.entries()) if (!standings[index]) lease.lastReports.push(report);
  for (const [index, { count, report }] of rows.entries()) {
    const standing = standings[parting.length + index];
    if (standing) applyStanding(count, report, standing, at);
    else {
      count.doubt = "broken";
      list(lease, count);
    }
  }
}

export function putBack(lease: BudgetLease, { parting, rows }: Batch, error: unknown): never {
  // It may have arrived: the store has then dropped this holder, and `acked` shows that it existed.
  const again = parting.map((one) => (one.acked > 0 ? { ...one, acked: one.spent } : one));
  lease.lastReports = [...again, ...lease.lastReports];
  for (const { count } of rows) list(lease, count);
  throw error;
}
