import { KEEP_METERED_MS, type MeteredRow, mergeMetered } from "../core/metered.ts";
import { type Circuit, circuitAt } from "../limits/circuit.ts";
import { emptyTally, exchange, isSound, type Report, type Standing, spentOf, type Tally } from "../limits/tally.ts";
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

/** In the memory of one process; lost when it ends. */
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

interface MemoryState {
  readonly clock: () => number;
  readonly tallies: Map<string, Kept>;
  readonly circuits: Map<string, Circuit>;
  /** By day, then by holder and group. */
  readonly days: Map<number, Map<string, MeteredTotal>>;
  /** The oldest first. */
  readonly audit: AuditEntry[];
  readonly listeners: Set<(change: Change) => void>;
  /** Reports until expired tallies are deleted. */
  untilSweep: number;
}

const SWEEP_EVERY = 10_000;

/** `clock` gives milliseconds since the epoch. */
export function openMemory(clock: () => number = Date.now): Store {
  const state: MemoryState = {
    clock,
    tallies: new Map(),
    circuits: new Map(),
    days: new Map(),
    audit: [],
    listeners: new Set(),
    untilSweep: SWEEP_EVERY,
  };
  return {
    alone: true,
    exchange: (reports) => reports.map((report) => exchangeOne(state, report)),
    counts: (limit) => readCounts(state, limit),
    circuits: () => readCircuits(state),
    circuit: (scope) => state.circuits.get(scope),
    putCircuit: (circuit) => putCircuit(state, circuit),
    addAudit: (entry) => addAudit(state, entry),
    audit: (limit) => state.audit.slice(-limit).reverse(),
    putMetered: (holder, totals) => putMetered(state, holder, totals),
    metered: (from, until) => readMetered(state, from, until),
    recall: (key) => notify(state, { type: "recall", key }),
    subscribe(listener) {
      state.listeners.add(listener);
      return () => state.listeners.delete(listener);
    },
    close: () => state.listeners.clear(),
  };
}

function exchangeOne(state: MemoryState, report: Report): Standing | undefined {
  if (!isSound(report)) return undefined;
  const { tallies, clock } = state;
  const now = clock();
  state.untilSweep -= 1;
  if (state.untilSweep <= 0) sweep(state, now);
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

function sweep(state: MemoryState, now: number): void {
  state.untilSweep = SWEEP_EVERY;
  for (const [key, { forgetAt }] of state.tallies) if (forgetAt <= now) state.tallies.delete(key);
}

function readCounts({ tallies, clock }: MemoryState, limit: number): readonly Count[] {
  const now = clock();
  const rows: Count[] = [];
  for (const [key, { tally }] of tallies) rows.push(countOf(key, tally, now));
  return rows.sort((a, b) => b.spent - a.spent).slice(0, limit);
}

/** Deletes circuits that have been closed for long enough. */
function readCircuits({ circuits, clock }: MemoryState): readonly Circuit[] {
  const now = clock();
  for (const [scope, circuit] of circuits) {
    const is = circuitAt(circuit, now);
    if (is.state === "closed" && is.since + KEEP_CLOSED_MS < now) circuits.delete(scope);
  }
  return [...circuits.values()];
}

function putCircuit(state: MemoryState, circuit: Circuit): boolean {
  if ((state.circuits.get(circuit.scope)?.rev ?? 0) !== circuit.rev - 1) return false;
  state.circuits.set(circuit.scope, circuit);
  notify(state, { type: "circuit", circuit });
  return true;
}

function addAudit({ audit }: MemoryState, entry: AuditEntry): void {
  audit.push(entry);
  if (audit.length > MAX_AUDIT) audit.shift();
}

function putMetered({ days, clock }: MemoryState, holder: string, totals: readonly MeteredTotal[]): void {
  for (const total of totals) {
    let day = days.get(total.day);
    if (day === undefined) {
      day = new Map();
      days.set(total.day, day);
      for (const old of days.keys()) if (old < clock() - KEEP_METERED_MS) days.delete(old);
    }
    day.set(`${holder} ${total.key}`, total);
  }
}

function readMetered({ days }: MemoryState, from: number, until: number): readonly MeteredRow[] {
  const kept = [...days].filter(([day]) => day >= from && day < until);
  return mergeMetered(kept.flatMap(([, day]) => [...day.values()].map(({ key, sums }) => [key, sums] as const)));
}

function notify({ listeners }: MemoryState, change: Change): void {
  for (const listener of listeners) listener(change);
}

/** A tally as it stands at `now`; slices that expired are not counted. */
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
