import { type Json, object, parse } from "../../core/json.ts";
import { type Circuit, circuitIn } from "../../limits/circuit.ts";
import type { Change } from "../store.ts";
import { type Connection, notify, use } from "./connection.ts";
import type { Row } from "./tables.ts";

/** How processes notify each other: rows of a table that each process polls. */
export interface Signals {
  /** Written by this process, whose listeners were notified at once. */
  readonly own: Set<number>;
  /** The last signal that was read. */
  seen: number;
  /** SQLite's `data_version`: it changes when another process writes. */
  version: number;
  /** Of the connection, when it was last read. */
  generation: number;
}

/** What is written of a change: of a circuit only its scope. */
type Signal = { readonly circuit: string } | Extract<Change, { type: "recall" }>;

/** Every living process polls every few milliseconds, so that a minute is plenty. */
const KEEP_SIGNALS_MS = 60_000;

export function createSignals(connection: Connection): Signals {
  const { seq } = use(connection, () => connection.sql.lastSignal.get()) as Row;
  return { own: new Set(), seen: Number(seq), version: -1, generation: connection.generation };
}

/** Call it inside a transaction. */
export function addSignal({ sql }: Connection, { own }: Signals, signal: Signal, now: number): void {
  sql.trimSignals.run(now - KEEP_SIGNALS_MS);
  const { lastInsertRowid } = sql.addSignal.run(now, JSON.stringify(signal));
  own.add(Number(lastInsertRowid));
}

/** Notifies listeners of what other processes changed since the last call. Never throws. */
export function pollSignals(connection: Connection, signals: Signals): void {
  try {
    const version = (use(connection, () => connection.sql.version.get()) as Row).data_version as number;
    if (signals.generation !== connection.generation) beginAnew(signals, connection.generation);
    if (version === signals.version) return;
    signals.version = version;
    for (const row of use(connection, () => connection.sql.signals.all(signals.seen)) as Row[]) {
      signals.seen = Number(row.seq);
      if (signals.own.delete(signals.seen)) continue;
      const change = changeOf(connection, object(parse(String(row.json))));
      if (change !== undefined) notify(connection, change);
    }
  } catch {
    // The next operation on the store reports it.
  }
}

/** Another file has signals of its own. */
function beginAnew(signals: Signals, generation: number): void {
  signals.generation = generation;
  signals.own.clear();
  signals.seen = 0;
}

/** Undefined for a circuit that is no longer kept, and for a signal that cannot be read. */
function changeOf(connection: Connection, signal: Json | undefined): Change | undefined {
  const { circuit: scope, type, key } = signal ?? {};
  if (type === "recall" && typeof key === "string") return { type, key };
  const circuit = typeof scope === "string" ? readCircuit(connection, scope) : undefined;
  return circuit && { type: "circuit", circuit };
}

/** Undefined where there is none, and where it cannot be read. */
export function readCircuit(connection: Connection, scope: string): Circuit | undefined {
  const row = use(connection, () => connection.sql.circuit.get(scope)) as Row | undefined;
  return row && circuitIn(String(row.json), scope);
}
