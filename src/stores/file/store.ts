import { chmodSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { setInterval } from "node:timers";
import { setTimeout as wait } from "node:timers/promises";
import { SpendfuseError } from "../../core/errors.ts";
import { KEEP_METERED_MS, mergeMetered } from "../../core/metered.ts";
import { type Circuit, circuitAt } from "../../limits/circuit.ts";
import { emptyTally, exchange, type Report, type Standing, spentOf, type Tally } from "../../limits/tally.ts";
import { countOf } from "../memory.ts";
import { type AuditEntry, type Change, KEEP_CLOSED_MS, MAX_AUDIT, type Store } from "../store.ts";
import { fixOf, isBusy } from "./faults.ts";
import { prepare, readTally, SCHEMA, writeTally } from "./tables.ts";
import { inTransaction } from "./transaction.ts";
import { createTurns, RETRIES } from "./turns.ts";

export interface FileOptions {
  readonly clock?: () => number;
  /** How often changes of other processes are looked for, in milliseconds. */
  readonly pollMs?: number;
}

/** How long an operation blocks the process while another one writes; after that it waits without blocking. */
const BUSY_MS = 5;
const POLL_MS = 20;
/** Signals are for processes that are alive: they look every few milliseconds. */
const KEEP_SIGNALS_MS = 60_000;
const SWEEP_EVERY = 2_000;

interface Row {
  readonly [column: string]: unknown;
}

/** @throws SpendfuseError `SPENDFUSE_STORE` when the file cannot be opened, or is not ours. */
export async function openFile(path: string, options: FileOptions = {}): Promise<Store> {
  const { clock = Date.now, pollMs = POLL_MS } = options;
  const where = resolve(path);
  // Loaded when it is asked for: before Node 24 it warns that it is experimental.
  const { DatabaseSync } = await import("node:sqlite");
  const listeners = new Set<(change: Change) => void>();
  const whenFree = createTurns();
  let away = false;
  let untilSweep = SWEEP_EVERY;

  const fail = (what: string, cause: unknown): SpendfuseError => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new SpendfuseError(
      "SPENDFUSE_STORE",
      `the store ${where} ${what}: ${reason}${fixOf(reason)}`,
      { path: where },
      cause,
    );
  };

  const db = await openDatabase();
  const sql = attempt("is not a store of spendfuse", () => prepare(db));

  /** Processes that start together get in each other's way: the first one to come makes the tables. */
  async function openDatabase(): Promise<InstanceType<typeof DatabaseSync>> {
    for (let tries = 0; ; tries++) {
      let opened: InstanceType<typeof DatabaseSync> | undefined;
      try {
        mkdirSync(dirname(where), { recursive: true, mode: 0o700 });
        opened = new DatabaseSync(where, { timeout: 200 });
        opened.exec(SCHEMA);
        opened.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
        chmodSync(where, 0o600);
        return opened;
      } catch (error) {
        opened?.close();
        if (!isBusy(error) || tries === RETRIES) throw fail("cannot be opened", error);
        await wait(10 + Math.random() * 40);
      }
    }
  }

  function attempt<T>(what: string, run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw fail(what, error);
    }
  }

  function tell(change: Change): void {
    for (const listener of listeners) listener(change);
  }

  /** One operation. What fails once may work the next time: the disk was full, or another process held the lock. */
  function use<T>(run: () => T): T {
    try {
      const result = run();
      if (away) queueMicrotask(() => tell({ type: "back" }));
      away = false;
      return result;
    } catch (error) {
      if (isBusy(error)) throw fail("is busy", error);
      if (!away) queueMicrotask(() => tell({ type: "away" }));
      away = true;
      throw fail("cannot be used", error);
    }
  }

  function transact<T>(run: () => T): T {
    return use(() => inTransaction(db, sql, run));
  }

  function tallyOf(key: string): Tally {
    const row = sql.tally.get(key) as Row | undefined;
    return row === undefined ? emptyTally() : readTally(String(row.json));
  }

  function take(report: Report, now: number): Standing {
    const tally = tallyOf(report.key);
    let earlier = 0;
    for (const key of report.earlier) earlier += spentOf(tallyOf(key), now);
    const standing = exchange(tally, report, earlier, now);
    sql.putTally.run(report.key, writeTally(tally), now + report.keepMs);
    untilSweep -= 1;
    if (untilSweep <= 0) {
      untilSweep = SWEEP_EVERY;
      sql.forget.run(now);
    }
    return standing;
  }

  function signal(change: object, now: number): void {
    sql.trimSignals.run(now - KEEP_SIGNALS_MS);
    const { lastInsertRowid } = sql.addSignal.run(now, JSON.stringify(change));
    own.add(Number(lastInsertRowid));
  }

  /** Signals of ours, which our listeners were told of at once. */
  const own = new Set<number>();
  let seen = Number((use(() => sql.lastSignal.get()) as Row).seq);
  let version = -1;

  function look(): void {
    try {
      const now = (use(() => sql.version.get()) as Row).data_version as number;
      if (now === version) return;
      version = now;
      for (const row of use(() => sql.signals.all(seen)) as Row[]) {
        seen = Number(row.seq);
        if (own.delete(seen)) continue;
        const { circuit: scope, ...change } = JSON.parse(String(row.json));
        const circuit = scope === undefined ? undefined : circuitOf(scope);
        if (circuit !== undefined) tell({ type: "circuit", circuit });
        else if (scope === undefined) tell(change);
      }
    } catch {
      // Whoever uses the store next is told.
    }
  }

  const poll = setInterval(look, pollMs);
  poll.unref();

  function circuitOf(scope: string): Circuit | undefined {
    const row = use(() => sql.circuit.get(scope)) as Row | undefined;
    return row && (JSON.parse(String(row.json)) as Circuit);
  }

  return {
    alone: false,
    exchange: (reports) =>
      whenFree(() => {
        const now = clock();
        return transact(() => reports.map((report) => take(report, now)));
      }),
    counts(limit) {
      const now = clock();
      const rows = use(() => sql.tallies.all(now)) as Row[];
      const counts = rows.map(({ key, json }) => countOf(String(key), readTally(String(json)), now));
      return counts.sort((a, b) => b.spent - a.spent).slice(0, limit);
    },
    circuits() {
      const now = clock();
      const kept: Circuit[] = [];
      for (const row of use(() => sql.circuits.all()) as Row[]) {
        const circuit = JSON.parse(String(row.json)) as Circuit;
        const is = circuitAt(circuit, now);
        if (is.state === "closed" && is.since + KEEP_CLOSED_MS < now) use(() => sql.dropCircuit.run(circuit.scope));
        else kept.push(circuit);
      }
      return kept;
    },
    circuit: circuitOf,
    async putCircuit(circuit) {
      const written = await whenFree(() =>
        transact(() => {
          const row = sql.rev.get(circuit.scope) as Row | undefined;
          if (Number(row?.rev ?? 0) !== circuit.rev - 1) return false;
          sql.putCircuit.run(circuit.scope, circuit.rev, JSON.stringify(circuit));
          signal({ circuit: circuit.scope }, clock());
          return true;
        }),
      );
      if (written) tell({ type: "circuit", circuit });
      return written;
    },
    addAudit: (entry) =>
      whenFree(() =>
        transact(() => {
          sql.addAudit.run(JSON.stringify(entry));
          sql.trimAudit.run(MAX_AUDIT);
        }),
      ),
    audit: (limit) =>
      (use(() => sql.audit.all(limit)) as Row[]).map(({ json }) => JSON.parse(String(json)) as AuditEntry),
    putMetered: (holder, totals) =>
      whenFree(() =>
        transact(() => {
          for (const { day, key, sums } of totals) sql.putMetered.run(day, holder, key, JSON.stringify(sums));
          sql.forgetMetered.run(clock() - KEEP_METERED_MS);
        }),
      ),
    metered(from, until) {
      const rows = use(() => sql.metered.all(from, until)) as Row[];
      return mergeMetered(rows.map(({ key, sums }) => [String(key), JSON.parse(String(sums)) as number[]] as const));
    },
    async recall(key) {
      await whenFree(() => transact(() => signal({ type: "recall", key }, clock())));
      tell({ type: "recall", key });
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      clearInterval(poll);
      listeners.clear();
      if (db.isOpen) db.close();
    },
  };
}
