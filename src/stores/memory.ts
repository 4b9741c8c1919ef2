import { setBounded } from "../core/bounded-map.ts";
import { type Circuit, circuitAt } from "../limits/circuit.ts";
import { keepTurnMs, type LastTurn, nextTurn, type Pace } from "../limits/pace.ts";
import {
  changedKey,
  emptyTally,
  exchange,
  isSound,
  type Report,
  raisedOf,
  type Standing,
  spentOf,
  type Tally,
} from "../limits/tally.ts";
import { type MeteredState, putMetered, readLate, readMetered, settle } from "./memory/metered.ts";
import {
  type AuditEntry,
  type CapAnswer,
  type Change,
  type Count,
  countOf,
  KEEP_CLOSED_MS,
  MAX_AUDIT,
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

/** A tally that no process holds any of. */
interface Left {
  readonly base: number;
  readonly forgetAt: number;
}

interface MemoryState extends MeteredState {
  readonly tallies: Map<string, Kept>;
  /** What is left of tallies once all holders have left. */
  readonly left: Map<string, Left>;
  /** The same of runs, whose number grows with time. */
  readonly leftRuns: Map<string, Left>;
  readonly circuits: Map<string, Circuit>;
  readonly turns: Map<string, LastTurn & { readonly forgetAt: number }>;
  /** The oldest first. */
  readonly audit: AuditEntry[];
  readonly listeners: Set<(change: Change) => void>;
  /** Reports until expired tallies are deleted. */
  untilSweep: number;
}

const SWEEP_EVERY = 10_000;
/** Runs that are over and remembered; a run that comes back later begins at zero. */
const MAX_LEFT_RUNS = 50_000;
/** What is kept for longer than any month is of a run. */
const LONGEST_WINDOW_MS = 34 * 86_400_000;

/** `clock` gives milliseconds since the epoch. */
export function openMemory(clock: () => number = Date.now): Store {
  const state: MemoryState = {
    clock,
    tallies: new Map(),
    left: new Map(),
    leftRuns: new Map(),
    circuits: new Map(),
    turns: new Map(),
    days: new Map(),
    lateCalls: new Map(),
    settlements: new Map(),
    minutes: new Map(),
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
    putCircuit: (circuit, entry) => putCircuit(state, circuit, entry),
    changeCap: (reports, raised, entry) => changeCap(state, reports, raised, entry),
    addAudit: (entry) => addAudit(state, entry),
    audit: (limit) => state.audit.slice(-limit).reverse(),
    putMetered: (holder, totals, late) => putMetered(state, holder, totals, late),
    metered: (from, until) => readMetered(state, from, until),
    late: (from, until) => readLate(state, from, until),
    settle: (call, settlement) => settle(state, call, settlement),
    settlements: (calls) => calls.map(({ id }) => state.settlements.get(id)),
    takeTurn: (pace) => takeTurn(state, pace),
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
  const kept = tallies.get(report.key) ?? takeUp(state, report.key);
  kept.forgetAt = now + report.keepMs;
  let earlier = 0;
  for (const key of report.earlier) {
    const one = tallies.get(key);
    earlier += one === undefined ? (state.left.get(key)?.base ?? 0) : spentOf(one.tally, now);
  }
  const standing = exchange(kept.tally, report, earlier, now);
  const { holders, tightUntil, quietUntil } = kept.tally;
  if (holders.size === 0 && tightUntil <= now && quietUntil <= now) lay(state, report, kept);
  return standing;
}

/** The tally of a key that is not held. */
function takeUp({ tallies, left, leftRuns }: MemoryState, key: string): Kept {
  const tally = emptyTally();
  tally.base = (left.get(key) ?? leftRuns.get(key))?.base ?? 0;
  left.delete(key);
  leftRuns.delete(key);
  const kept: Kept = { tally, forgetAt: 0 };
  tallies.set(key, kept);
  return kept;
}

/** Keeps of a tally that is not held any more what it takes least room to keep. */
function lay({ tallies, left, leftRuns }: MemoryState, { key, keepMs }: Report, { tally, forgetAt }: Kept): void {
  tallies.delete(key);
  if (tally.base === 0) return;
  const one: Left = { base: tally.base, forgetAt };
  if (keepMs > LONGEST_WINDOW_MS) setBounded(leftRuns, key, one, MAX_LEFT_RUNS);
  else left.set(key, one);
}

function takeTurn({ turns, clock }: MemoryState, pace: Pace): number {
  const now = clock();
  const turn = nextTurn(turns.get(pace.key), pace, now);
  turns.set(pace.key, { ...turn, forgetAt: turn.due + keepTurnMs(pace) });
  return turn.due - now;
}

function sweep(state: MemoryState, now: number): void {
  state.untilSweep = SWEEP_EVERY;
  for (const map of [state.tallies, state.left, state.leftRuns, state.turns])
    for (const [key, { forgetAt }] of map) if (forgetAt <= now) map.delete(key);
}

function readCounts({ tallies, left, leftRuns, clock }: MemoryState, limit: number): readonly Count[] {
  const now = clock();
  const rows: Count[] = [];
  for (const map of [left, leftRuns])
    for (const [key, { base }] of map) rows.push({ key, spent: base, inUse: 0, held: 0, raised: 0 });
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

function putCircuit(state: MemoryState, circuit: Circuit, entry?: AuditEntry): boolean {
  if ((state.circuits.get(circuit.scope)?.rev ?? 0) !== circuit.rev - 1) return false;
  state.circuits.set(circuit.scope, circuit);
  if (entry !== undefined) addAudit(state, entry);
  notify(state, { type: "circuit", circuit });
  return true;
}

function changeCap(state: MemoryState, reports: readonly Report[], expected: number, entry: AuditEntry): CapAnswer {
  const tallies = reports.map(({ key }) => state.tallies.get(key)?.tally);
  const raised = tallies[0] === undefined ? 0 : raisedOf(tallies[0]);
  if (reports.some(({ holder }, index) => tallies[index]?.holders.has(holder))) return { outcome: "repeated", raised };
  if (raised !== expected) return { outcome: "outdated", raised };
  const [first] = reports.map((report) => exchangeOne(state, report));
  addAudit(state, entry);
  for (const { key } of reports) notify(state, { type: "recall", key: changedKey(key) });
  return { outcome: "applied", raised: first?.raised ?? raised };
}

function addAudit({ audit }: MemoryState, entry: AuditEntry): void {
  audit.push(entry);
  if (audit.length > MAX_AUDIT) audit.shift();
}

function notify({ listeners }: MemoryState, change: Change): void {
  for (const listener of listeners) listener(change);
}
