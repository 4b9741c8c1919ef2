import { KEEP_METERED_MS, mergeMetered } from "../core/metered.ts";
import { type Circuit, circuitAt } from "../limits/circuit.ts";
import { emptyTally, exchange, type Report, type Standing, spentOf, type Tally } from "../limits/tally.ts";
import {
  type AuditEntry,
  type Change,
  type Count,
  KEEP_CLOSED_MS,
  MAX_AUDIT,
  type MeteredTotal,
  type Store,
  type StoreKind,
} from "./store.ts";

/** Lives and dies with the process. */
export const memory: StoreKind = {
  name: "memory",
  form: "memory",
  pattern: /^memory$/,
  example: "memory",
  reach: "process",
  open: () => openMemory(),
};

interface Kept {
  readonly tally: Tally;
  forgetAt: number;
}

const SWEEP_EVERY = 10_000;

export function openMemory(clock: () => number = Date.now): Store {
  const tallies = new Map<string, Kept>();
  const circuits = new Map<string, Circuit>();
  /** By day, then by holder and group. */
  const days = new Map<number, Map<string, MeteredTotal>>();
  const log: AuditEntry[] = [];
  const listeners = new Set<(change: Change) => void>();
  let untilSweep = SWEEP_EVERY;

  function tell(change: Change): void {
    for (const listener of listeners) listener(change);
  }

  function sweep(now: number): void {
    untilSweep = SWEEP_EVERY;
    for (const [key, { forgetAt }] of tallies) if (forgetAt <= now) tallies.delete(key);
  }

  function take(report: Report): Standing {
    const now = clock();
    untilSweep -= 1;
    if (untilSweep <= 0) sweep(now);
    let kept = tallies.get(report.key);
    if (kept === undefined) {
      kept = { tally: emptyTally(), forgetAt: 0 };
      tallies.set(report.key, kept);
    }
    kept.forgetAt = now + report.keepMs;
    let earlier = 0;
    for (const key of report.earlier) {
      const one = tallies.get(key);
      if (one) earlier += spentOf(one.tally, now);
    }
    return exchange(kept.tally, report, earlier, now);
  }

  return {
    alone: true,
    exchange: (reports) => reports.map(take),
    counts(limit) {
      const now = clock();
      const rows: Count[] = [];
      for (const [key, { tally }] of tallies) rows.push(countOf(key, tally, now));
      return rows.sort((a, b) => b.spent - a.spent).slice(0, limit);
    },
    circuits() {
      const now = clock();
      for (const [scope, circuit] of circuits) {
        const is = circuitAt(circuit, now);
        if (is.state === "closed" && is.since + KEEP_CLOSED_MS < now) circuits.delete(scope);
      }
      return [...circuits.values()];
    },
    circuit: (scope) => circuits.get(scope),
    putCircuit(circuit) {
      if ((circuits.get(circuit.scope)?.rev ?? 0) !== circuit.rev - 1) return false;
      circuits.set(circuit.scope, circuit);
      tell({ type: "circuit", circuit });
      return true;
    },
    addAudit(entry) {
      log.push(entry);
      if (log.length > MAX_AUDIT) log.shift();
    },
    audit: (limit) => log.slice(-limit).reverse(),
    putMetered(holder, totals) {
      for (const total of totals) {
        let day = days.get(total.day);
        if (day === undefined) {
          day = new Map();
          days.set(total.day, day);
          for (const old of days.keys()) if (old < clock() - KEEP_METERED_MS) days.delete(old);
        }
        day.set(`${holder} ${total.key}`, total);
      }
    },
    metered(from, until) {
      const kept = [...days].filter(([day]) => day >= from && day < until);
      return mergeMetered(kept.flatMap(([, day]) => [...day.values()].map(({ key, sums }) => [key, sums] as const)));
    },
    recall: (key) => tell({ type: "recall", key }),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => listeners.clear(),
  };
}

export function countOf(key: string, tally: Tally, now: number): Count {
  let inUse = 0;
  let held = 0;
  for (const holding of tally.holders.values()) {
    if (holding.until <= now) continue;
    inUse += holding.inUse;
    held += holding.slice;
  }
  return { key, spent: spentOf(tally, now), inUse, held };
}
