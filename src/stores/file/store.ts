import { setInterval } from "node:timers";
import { object, parse } from "../../core/json.ts";
import type { LateCall, LateSettlement } from "../../core/late/late-call.ts";
import { KEEP_METERED_MS, type MeteredRow, mergeMetered, sumsOf } from "../../core/metered.ts";
import { type Circuit, circuitAt, circuitIn } from "../../limits/circuit.ts";
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
} from "../../limits/tally.ts";
import {
  type AuditEntry,
  type CapAnswer,
  type Count,
  countOf,
  KEEP_CLOSED_MS,
  type LateRecords,
  MAX_AUDIT,
  type MeteredTotal,
  NO_RECORDS,
  type Store,
} from "../store.ts";
import { type Connection, notify, openConnection, transact, use } from "./connection.ts";
import { putLate, readCorrections, readLate, readSettlements, settleCall } from "./late.ts";
import { takeTurn } from "./pace.ts";
import { addSignal, createSignals, pollSignals, readCircuit, type Signals } from "./signals.ts";
import { type Row, readTally, writeTally } from "./tables.ts";
import { createTurns } from "./turns.ts";

export interface FileOptions {
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  /** Milliseconds between polls for changes by other processes. */
  readonly pollMs?: number;
}

interface FileState {
  readonly connection: Connection;
  readonly signals: Signals;
  readonly clock: () => number;
  readonly inTurn: ReturnType<typeof createTurns>;
  /** Reports until expired tallies are deleted. */
  untilSweep: number;
}

const POLL_MS = 20;
const SWEEP_EVERY = 2_000;

/** @throws SpendfuseError `SPENDFUSE_STORE` when the file cannot be opened, or is not a spendfuse store. */
export async function openFile(path: string, options: FileOptions = {}): Promise<Store> {
  const { clock = Date.now, pollMs = POLL_MS } = options;
  const connection = await openConnection(path);
  const signals = createSignals(connection);
  const state: FileState = { connection, signals, clock, inTurn: createTurns(), untilSweep: SWEEP_EVERY };
  const timer = setInterval(() => pollSignals(connection, signals), pollMs).unref();
  return {
    alone: false,
    exchange: (reports) => state.inTurn(() => exchangeAll(state, reports)),
    counts: (limit) => readCounts(state, limit),
    circuits: () => readCircuits(state),
    circuit: (scope) => readCircuit(connection, scope),
    putCircuit: (circuit, entry) => putCircuit(state, circuit, entry),
    changeCap: (reports, raised, entry) => changeCap(state, reports, raised, entry),
    addAudit: (entry) => state.inTurn(() => addAudit(state, entry)),
    audit: (limit) => readAudit(state, limit),
    putMetered: (holder, totals, late) => state.inTurn(() => putMetered(state, holder, totals, late)),
    metered: (from, until) => readMetered(state, from, until),
    late: (from, until) => readLate(connection, from, until),
    settle: (call, settlement) => state.inTurn(() => settle(state, call, settlement)),
    settlements: (calls) => readSettlements(connection, calls),
    takeTurn: (pace) => state.inTurn(() => takeTurn(connection, pace, clock())),
    recall: (key) => recall(state, key),
    subscribe(listener) {
      connection.listeners.add(listener);
      return () => connection.listeners.delete(listener);
    },
    close: () => close(state, timer),
  };
}

function exchangeAll(state: FileState, reports: readonly Report[]): readonly (Standing | undefined)[] {
  const now = state.clock();
  return transact(state.connection, () =>
    reports.map((report) => (isSound(report) ? exchangeOne(state, report, now) : undefined)),
  );
}

function exchangeOne(state: FileState, report: Report, now: number): Standing {
  const { sql } = state.connection;
  const tally = tallyOf(state, report.key);
  let earlier = 0;
  for (const key of report.earlier) earlier += spentOf(tallyOf(state, key), now);
  const standing = exchange(tally, report, earlier, now);
  sql.putTally.run(report.key, writeTally(tally), now + report.keepMs);
  state.untilSweep -= 1;
  if (state.untilSweep <= 0) {
    state.untilSweep = SWEEP_EVERY;
    sql.forget.run(now);
    sql.forgetTurns.run(now);
  }
  return standing;
}

function tallyOf({ connection }: FileState, key: string): Tally {
  const row = connection.sql.tally.get(key) as Row | undefined;
  return row === undefined ? emptyTally() : readTally(String(row.json));
}

function readCounts({ connection, clock }: FileState, limit: number): readonly Count[] {
  const now = clock();
  const rows = use(connection, () => connection.sql.tallies.all(now)) as Row[];
  const counts = rows.map(({ key, json }) => countOf(String(key), readTally(String(json)), now));
  return counts.sort((a, b) => b.spent - a.spent).slice(0, limit);
}

/** Deletes circuits that have been closed for long enough. */
function readCircuits({ connection, clock }: FileState): readonly Circuit[] {
  const { sql } = connection;
  const now = clock();
  const kept: Circuit[] = [];
  for (const row of use(connection, () => sql.circuits.all()) as Row[]) {
    const circuit = circuitIn(String(row.json), String(row.scope));
    if (circuit === undefined) continue;
    const is = circuitAt(circuit, now);
    if (is.state === "closed" && is.since + KEEP_CLOSED_MS < now)
      use(connection, () => sql.dropCircuit.run(circuit.scope));
    else kept.push(circuit);
  }
  return kept;
}

async function putCircuit(state: FileState, circuit: Circuit, entry?: AuditEntry): Promise<boolean> {
  const { connection } = state;
  const written = await state.inTurn(() => transact(connection, () => writeCircuit(state, circuit, entry)));
  if (written) notify(connection, { type: "circuit", circuit });
  return written;
}

/** False when another process was first. */
function writeCircuit(
  { connection, signals, clock }: FileState,
  circuit: Circuit,
  entry: AuditEntry | undefined,
): boolean {
  const { sql } = connection;
  const stored = readCircuit(connection, circuit.scope);
  if ((stored?.rev ?? 0) !== circuit.rev - 1) return false;
  sql.putCircuit.run(circuit.scope, circuit.rev, JSON.stringify(circuit));
  if (entry !== undefined) writeAudit(connection, entry);
  addSignal(connection, signals, { circuit: circuit.scope }, clock());
  return true;
}

async function changeCap(
  state: FileState,
  reports: readonly Report[],
  raised: number,
  entry: AuditEntry,
): Promise<CapAnswer> {
  const { connection } = state;
  const answer = await state.inTurn(() => transact(connection, () => writeCap(state, reports, raised, entry)));
  if (answer.outcome === "applied")
    for (const { key } of reports) notify(connection, { type: "recall", key: changedKey(key) });
  return answer;
}

function writeCap(state: FileState, reports: readonly Report[], expected: number, entry: AuditEntry): CapAnswer {
  const { connection, signals, clock } = state;
  const tallies = reports.map(({ key }) => tallyOf(state, key));
  const raised = tallies[0] === undefined ? 0 : raisedOf(tallies[0]);
  if (reports.some(({ holder }, index) => tallies[index]?.holders.has(holder))) return { outcome: "repeated", raised };
  if (raised !== expected) return { outcome: "outdated", raised };
  const now = clock();
  const [first] = reports.map((report) => exchangeOne(state, report, now));
  writeAudit(connection, entry);
  for (const { key } of reports) addSignal(connection, signals, { type: "recall", key: changedKey(key) }, now);
  return { outcome: "applied", raised: first?.raised ?? raised };
}

function addAudit({ connection }: FileState, entry: AuditEntry): void {
  transact(connection, () => writeAudit(connection, entry));
}

/** Call it inside a transaction. */
function writeAudit({ sql }: Connection, entry: AuditEntry): void {
  sql.addAudit.run(JSON.stringify(entry));
  sql.trimAudit.run(MAX_AUDIT);
}

function readAudit({ connection }: FileState, limit: number): readonly AuditEntry[] {
  const rows = use(connection, () => connection.sql.audit.all(limit)) as Row[];
  return rows.flatMap(({ json }) => (object(parse(String(json))) as AuditEntry | undefined) ?? []);
}

function putMetered(
  { connection, clock }: FileState,
  holder: string,
  totals: readonly MeteredTotal[],
  late: LateRecords = NO_RECORDS,
): void {
  const { sql } = connection;
  transact(connection, () => {
    for (const { day, key, sums } of totals) sql.putMetered.run(day, holder, key, JSON.stringify(sums));
    sql.forgetMetered.run(clock() - KEEP_METERED_MS);
    putLate(connection, holder, late, clock());
  });
}

function settle({ connection }: FileState, call: LateCall, settlement: LateSettlement): boolean {
  return transact(connection, () => settleCall(connection, call, settlement));
}

function readMetered({ connection }: FileState, from: number, until: number): readonly MeteredRow[] {
  const rows = use(connection, () => connection.sql.metered.all(from, until)) as Row[];
  const totals = rows.map(({ key, sums }) => [String(key), sumsOf(String(sums))] as const);
  return mergeMetered([...totals, ...readCorrections(connection, from, until)]);
}

async function recall({ connection, signals, clock, inTurn }: FileState, key: string): Promise<void> {
  const change = { type: "recall", key } as const;
  await inTurn(() => transact(connection, () => addSignal(connection, signals, change, clock())));
  notify(connection, change);
}

function close({ connection }: FileState, timer: NodeJS.Timeout): void {
  clearInterval(timer);
  connection.listeners.clear();
  if (connection.db.isOpen) connection.db.close();
}
