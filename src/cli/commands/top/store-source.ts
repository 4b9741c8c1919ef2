import { windowStart } from "../../../core/ledger.ts";
import type { MeteredRow } from "../../../core/metered.ts";
import { WORK_PROVIDER } from "../../../core/work/work.ts";
import { openStore } from "../../../stores/open.ts";
import { type Grouping, type Source, type Total, totalOf } from "./source.ts";

const DAY_MS = 86_400_000;

/** What all processes that use a store have metered today. @throws SpendfuseError `SPENDFUSE_STORE` */
export async function openStoreSource(address: string, by: Grouping, now: () => number): Promise<Source> {
  const store = await openStore(address);
  return {
    title: `${address.replace(/:.*$/s, "")} store, since midnight UTC`,
    async read() {
      const day = windowStart("day", now());
      return totalsOf(await store.metered(day, day + DAY_MS), by);
    },
    close: async () => store.close(),
  };
}

export function totalsOf(rows: readonly MeteredRow[], by: Grouping): ReadonlyMap<string, Total> {
  const totals = new Map<string, Total>();
  for (const row of rows) {
    if (row.provider === WORK_PROVIDER) continue;
    const total = totalOf(totals, (by === "root_agent" ? row.rootAgent : row[by]) || "-");
    total.calls += row.calls;
    total.nano += row.cost;
    total.tokens += row.inputUncached + row.cacheRead + row.cacheWrite + row.output;
    if ((row.quality !== "reported" && row.quality !== "settled") || row.priced === "partial" || row.priced === "false")
      total.inexact += row.calls;
  }
  return totals;
}
