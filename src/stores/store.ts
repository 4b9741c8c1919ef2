import { setTimeout } from "node:timers";
import type { LateCall, LateSettlement } from "../core/late/late-call.ts";
import type { MinuteTotal } from "../core/late/minute.ts";
import type { MeteredRow } from "../core/metered.ts";
import type { BudgetUnit } from "../limits/budget.ts";
import { type Circuit, type CircuitEvent, type CircuitStep, closedCircuit, nextCircuit } from "../limits/circuit.ts";
import type { Pace } from "../limits/pace.ts";
import { type Report, raisedOf, type Standing, spentOf, type Tally } from "../limits/tally.ts";

/** A store may answer at once or later. Later ones reject with a SpendfuseError `SPENDFUSE_STORE`. */
export type Awaitable<T> = T | Promise<T>;

/** Who changed what, and why. */
export interface AuditEntry {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly scope: string;
  /**
   * `trip`, `recover`, `reset`; `approve` for a raised cap, `stop` for a budget that refuses calls; `request` for a raise
   * that is asked for, `deny` for its refusal.
   */
  readonly what: string;
  /** An operator, `monitor 123`, a process. */
  readonly by: string;
  readonly why: string;
  /** As it was after. */
  readonly state: Circuit["state"] | "none";
  readonly until?: number;
  /** Of a change to a budget: its name, the unit of the cap, and the cap before and after, in USD, tokens, calls or seconds. */
  readonly budget?: string;
  readonly unit?: BudgetUnit;
  readonly before?: number;
  readonly after?: number;
  /** The id of the request that this asks, or that it answers; and the run that a request is about. */
  readonly request?: string;
  readonly run?: string;
}

/** What became of a change of the cap. `raised`: by how much the cap is raised now, in all. */
export interface CapAnswer {
  /** `repeated`: a count has it already. `outdated`: the cap was not raised by as much as the caller believed. Both change nothing. */
  readonly outcome: "applied" | "repeated" | "outdated";
  readonly raised: number;
}

/** A count as it stands, for people. Amounts are in the unit of the budget. */
export interface Count {
  readonly key: string;
  readonly spent: number;
  /** Reserved by calls in flight in living processes. */
  readonly inUse: number;
  /** Slices of living processes, `inUse` included. */
  readonly held: number;
  /** By how much operators raised the cap, in all; below zero where they lowered it. */
  readonly raised: number;
}

export type Change =
  | { readonly type: "circuit"; readonly circuit: Circuit }
  /** A process waits for what others hold idle of this count. */
  | { readonly type: "recall"; readonly key: string }
  /** The store was lost or is reachable again: changes may have been missed, or lost by the store. */
  | { readonly type: "away"; readonly error?: unknown }
  | { readonly type: "back" };

/** One process's total of a group: `meteredKey`, and its sums by `meteredSums`. */
export interface MeteredTotal {
  /** Start of the UTC day, in milliseconds since the epoch. */
  readonly day: number;
  readonly key: string;
  readonly sums: readonly number[];
}

/** What a vendor may still be asked about, as one process knows it. */
export interface LateRecords {
  readonly calls: readonly LateCall[];
  /** The process's totals of these groups. */
  readonly minutes: readonly MinuteTotal[];
}

/** The same of all processes. */
export interface KeptLate extends LateRecords {
  /** By the id of the call. */
  readonly settlements: ReadonlyMap<string, LateSettlement>;
}

export const NO_RECORDS: LateRecords = { calls: [], minutes: [] };

/**
 * Where budgets, circuits and the ledger of days live. To add a store, write a file beside this one and give it a line in `registry.ts`.
 * Every change is atomic among all processes that use the store.
 */
export interface Store {
  /** No other process can use it. */
  readonly alone: boolean;
  /**
   * Applies reports in this order, and returns each count's standing; undefined where a stored value or the report is
   * broken, which does not affect the other reports.
   */
  exchange(reports: readonly Report[]): Awaitable<readonly (Standing | undefined)[]>;
  /** The counts that are kept, the largest first. */
  counts(limit: number): Awaitable<readonly Count[]>;
  /** Circuits that were ever changed and are still kept. */
  circuits(): Awaitable<readonly Circuit[]>;
  circuit(scope: string): Awaitable<Circuit | undefined>;
  /**
   * Writes a circuit, if the stored one has `rev` one below it (0 without one), together with its entry in the log, and
   * notifies all subscribers.
   */
  putCircuit(circuit: Circuit, entry?: AuditEntry): Awaitable<boolean>;
  /**
   * Writes a change of the cap, which all reports carry under one holder, together with its entry in the log, and recalls
   * the `changedKey` of each count: all of it or nothing. Nothing changes where the first count's cap is not raised by
   * `raised`, which the entry was written for, or where a count has this holder already.
   */
  changeCap(reports: readonly Report[], raised: number, entry: AuditEntry): Awaitable<CapAnswer>;
  addAudit(entry: AuditEntry): Awaitable<void>;
  /** The newest first. */
  audit(limit: number): Awaitable<readonly AuditEntry[]>;
  /**
   * Replaces a process's totals of these groups, and keeps its late calls and minutes. A late call is never kept
   * without the total that contains it.
   */
  putMetered(holder: string, totals: readonly MeteredTotal[], late?: LateRecords): Awaitable<void>;
  /**
   * What all processes metered on the days that begin from `from` on and before `until`, one row a group. Calls that
   * settled since are in it with the vendor's figures.
   */
  metered(from: number, until: number): Awaitable<readonly MeteredRow[]>;
  /** Late calls of the days, and minutes of the hours, that `from` (inclusive) to `until` (exclusive) touch. */
  late(from: number, until: number): Awaitable<KeptLate>;
  /** Settles a call, unless it has settled before. True when it was this time. */
  settle(call: LateCall, settlement: LateSettlement): Awaitable<boolean>;
  /** How these calls settled, if they have. */
  settlements(calls: readonly LateCall[]): Awaitable<readonly (LateSettlement | undefined)[]>;
  /** Takes the next turn, of which all processes together have one in so long a time. Returns in how many milliseconds it is due. */
  takeTurn(pace: Pace): Awaitable<number>;
  /** Asks other processes for what they hold idle of a count. */
  recall(key: string): Awaitable<void>;
  /** Notifies of changes by other processes, and by this one too. */
  subscribe(listener: (change: Change) => void): () => void;
  close(): Awaitable<void>;
}

/** Who can use one store together: one process, the processes of one host, or those of many hosts. */
export type Reach = "process" | "host" | "fleet";

/**
 * One kind of store, as the configuration, help texts, errors and the doctor know it. It is loaded in every agent: what
 * is heavy, it imports when it opens.
 */
export interface StoreKind {
  /** The file's name. */
  readonly name: string;
  /** Its address as people read it, with capitals for what they fill in: `redis://HOST:PORT`. */
  readonly form: string;
  /** Every address of this kind, from its beginning, and none of another. Without flags: the JSON schema takes its source. */
  readonly pattern: RegExp;
  /** A whole address, for help and fixes. */
  readonly example: string;
  /** A store of the process alone is gone when it ends. */
  readonly reach: Reach;
  /** The package through which it is reached, which the app installs: its name, and the first version that will do. */
  readonly client?: { readonly package: string; readonly since: string };
  /** Why it cannot be used from `folder`, found without opening or creating anything. */
  look?(address: string, folder: string): string | undefined;
  /** @throws SpendfuseError `SPENDFUSE_STORE`, or `SPENDFUSE_MISSING_PACKAGE` with the line that installs it. */
  open(address: string): Awaitable<Store>;
}

/** Recalled as if it were a count, it makes all processes read their configuration again. No count has this key. */
export const RELOAD_KEY = "|reload|";
/** Closed circuits are kept for this long, so that a late webhook is recognised as late. */
export const KEEP_CLOSED_MS = 7 * 86_400_000;
/** Audit entries that are kept. */
export const MAX_AUDIT = 10_000;
const ATTEMPTS = 100;

/**
 * Reads a circuit, takes the step, and writes it unless another process did in between. All but probes are logged.
 */
export async function changeCircuit(
  store: Store,
  scope: string,
  event: CircuitEvent,
  now: number,
): Promise<CircuitStep> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const before = (await store.circuit(scope)) ?? closedCircuit(scope);
    const step = nextCircuit(before, event, now);
    if (!step.changed) return step;
    const entry = event.type === "probe" ? undefined : entryOf(step, event, now);
    if (await store.putCircuit(step.circuit, entry)) return step;
  }
  throw new Error(`the circuit of ${scope} is changed by too many at once`);
}

function entryOf(
  { circuit, why }: CircuitStep,
  event: Exclude<CircuitEvent, { type: "probe" }>,
  at: number,
): AuditEntry {
  return {
    at,
    scope: circuit.scope,
    what: event.type,
    by: event.by,
    why: "reason" in event ? `${event.reason} (${why})` : why,
    state: circuit.state,
    ...(circuit.state !== "closed" && { until: circuit.until }),
  };
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
  return { key, spent: spentOf(tally, now), inUse, held, raised: raisedOf(tally) };
}

/** The answer, or a rejection with `error` after `ms` milliseconds, for which the process stays alive. */
export async function within<T>(answer: Promise<T>, ms: number, error?: Error): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(error ?? new Error(`no answer within ${ms} ms`)), ms);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
