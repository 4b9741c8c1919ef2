import { evictOldest } from "./bounded-map.ts";
import type { SettledCall } from "./call.ts";
import type { ScopeNode } from "./scope.ts";
import type { Usage } from "./usage.ts";

/** Exact sums. Money is an integer of nano-USD, so that adding never drifts. */
export interface Sums {
  calls: number;
  /** Nano-USD: of calls, and of charges that are no model call. */
  cost: number;
  /** Nano-USD: the part of `cost` that are charges. */
  charges: number;
  /** Calls that had usage but no price. */
  unpriced: number;
  /** Completed or canceled calls of unknown usage. */
  unknown: number;
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  reasoning: number;
}

export type Window = "hour" | "day" | "month" | "ever";

/** One amount to add: a call, or the part of a call that another model served. */
export interface Entry {
  readonly calls: 0 | 1;
  /** Nano-USD; absent when unpriced. */
  readonly cost: number | undefined;
  readonly usage: Usage | undefined;
  readonly unknown: boolean;
}

/** Sums of a metered row: money in nano-USD, and tokens of kinds that never overlap. */
export type RowSums = Readonly<
  Record<"calls" | "cost" | "inputUncached" | "cacheRead" | "cacheWrite" | "output", number>
>;

/** A call is added to the current hour alone; longer windows are that and their hours that have ended. */
interface Account {
  /** Of the ended hours: since the process began, of the current month, of the current day. */
  readonly ended: [ever: Sums, month: Sums, day: Sums];
  /** Of the current hour. */
  current: Sums;
  /** Start of the current hour and day, in milliseconds since the epoch, UTC; -1 before the first entry. */
  hour: number;
  day: number;
}

/** Everything together. */
export const ALL = "all";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Accounts whose number grows with the traffic; only the most recently used are kept. */
const UNBOUNDED = /^(run|conversation|user):/;

/**
 * The local, exact account of spend by scope and window: the truth that every metric is a view of. Memory grows with
 * neither calls nor names of the past: of agents, teams, projects and keys the 20,000 used last are kept.
 */
export interface Ledger {
  add(node: ScopeNode, entry: Entry, now: number): void;
  /** Adds money that is no model call's. @param nano Nano-USD. */
  charge(node: ScopeNode, nano: number, now: number): void;
  /** Replaces what a call that ended at `at` has added, in the windows that it was added to. */
  correct(node: ScopeNode, before: Entry, after: Entry, at: number): void;
  /** Adds the sums of metered rows to one account, such as `outcome:resolved`; negative ones take out what was added. */
  addRow(account: string, row: RowSums, now: number): void;
  /** Sums of an account such as `agent:researcher` or {@link ALL}; undefined when nothing was added to it. */
  sums(account: string, window: Window, now: number): Readonly<Sums> | undefined;
  accounts(): Iterable<string>;
}

export function createLedger(options: { readonly recent?: number; readonly names?: number } = {}): Ledger {
  const recent = options.recent ?? 10_000;
  const names = options.names ?? 20_000;
  const bounded = new Map<string, Account>();
  const unbounded = new Map<string, Account>();

  function account(name: string): Account {
    const transient = UNBOUNDED.test(name);
    const map = transient ? unbounded : bounded;
    let found = map.get(name);
    if (found && !transient) return found;
    if (found) map.delete(name);
    else found = { ended: [zero(), zero(), zero()], current: zero(), hour: -1, day: -1 };
    map.set(name, found);
    if (transient && map.size > recent) evictOldest(map, recent);
    if (!transient && map.size > names) evictUnused(map, names);
    return found;
  }

  function add(node: ScopeNode, entry: Entry, now: number): void {
    addTo(bounded.get(ALL) ?? account(ALL), entry, now);
    for (const name of node.accounts) addTo(bounded.get(name) ?? account(name), entry, now);
  }

  return {
    add,
    charge(node, nano, now) {
      chargeTo(account(ALL), nano, now);
      for (const name of node.accounts) chargeTo(account(name), nano, now);
    },
    correct(node, before, after, at) {
      for (const name of [ALL, ...node.accounts]) {
        const found = bounded.get(name) ?? unbounded.get(name);
        if (found !== undefined) correctIn(found, before, after, at);
      }
    },
    addRow: (name, row, now) => addRowTo(account(name), row, now),
    sums(name, window, now) {
      const found = bounded.get(name) ?? unbounded.get(name);
      if (!found) return undefined;
      const { ended, current, hour, day } = found;
      if (window === "ever") return addSums(ended[0], current);
      if (window === "hour") return hour === windowStart("hour", now) ? { ...current } : zero();
      if (window === "day") return day === windowStart("day", now) ? addSums(ended[2], current) : zero();
      const isThisMonth = day >= 0 && windowStart("month", day) === windowStart("month", now);
      return isThisMonth ? addSums(ended[1], current) : zero();
    },
    *accounts() {
      yield* bounded.keys();
      yield* unbounded.keys();
    },
  };
}

/** Drops accounts of names of the past: a tenth, those whose last call is the longest ago, but never the whole. */
function evictUnused(accounts: Map<string, Account>, most: number): void {
  const rows = [...accounts].filter(([name, { hour }]) => name !== ALL && hour >= 0);
  rows.sort(([, a], [, b]) => a.hour - b.hour);
  for (const [name] of rows.slice(0, Math.ceil(most / 10))) accounts.delete(name);
}

/** Start of the UTC window that `now` lies in, in milliseconds since the epoch. */
export function windowStart(window: Exclude<Window, "ever">, now: number): number {
  if (window === "hour") return now - (now % HOUR);
  if (window === "day") return now - (now % DAY);
  const date = new Date(now);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
}

function addTo(account: Account, entry: Entry, now: number): void {
  const sinceHour = now - account.hour;
  if (!(sinceHour >= 0 && sinceHour < HOUR) || account.hour < 0) beginWindows(account, now);
  addEntry(account.current, entry, 1);
}

function chargeTo(account: Account, nano: number, now: number): void {
  addTo(account, NO_ENTRY, now);
  account.current.cost += nano;
  account.current.charges += nano;
}

function addRowTo(account: Account, row: RowSums, now: number): void {
  addTo(account, NO_ENTRY, now);
  const { current } = account;
  current.calls += row.calls;
  current.cost += row.cost;
  current.input += row.inputUncached + row.cacheRead + row.cacheWrite;
  current.output += row.output;
  current.cacheRead += row.cacheRead;
  current.cacheWrite += row.cacheWrite;
}

const NO_ENTRY: Entry = { calls: 0, cost: undefined, usage: undefined, unknown: false };

/** @param sign -1 takes out what was added. */
function addEntry(sums: Sums, { calls, cost, usage, unknown }: Entry, sign: 1 | -1): void {
  sums.calls += sign * calls;
  if (unknown) sums.unknown += sign;
  if (usage === undefined) return;
  if (cost === undefined) sums.unpriced += sign;
  else sums.cost += sign * cost;
  sums.input += sign * usage.input;
  sums.output += sign * usage.output;
  sums.cacheRead += sign * usage.cacheRead;
  sums.cacheWrite += sign * usage.cacheWrite;
  sums.reasoning += sign * usage.reasoning;
}

/** Of the sums of ended hours those change whose window the call ended in. */
function correctIn({ ended, current, hour, day }: Account, before: Entry, after: Entry, at: number): void {
  const [ever, month, today] = ended;
  const sums: Sums[] = [];
  if (windowStart("hour", at) === hour) sums.push(current);
  else {
    sums.push(ever);
    if (day >= 0 && windowStart("month", at) === windowStart("month", day)) sums.push(month);
    if (windowStart("day", at) === day) sums.push(today);
  }
  for (const one of sums) {
    addEntry(one, before, -1);
    addEntry(one, after, 1);
  }
}

/** Ends the current hour, and begins the one that `now` lies in, and the day and the month where they are new. */
function beginWindows(account: Account, now: number): void {
  const { ended, current } = account;
  for (let index = 0; index < ended.length; index++) ended[index] = addSums(ended[index] as Sums, current);
  const day = windowStart("day", now);
  if (account.day !== day) {
    const month = windowStart("month", now);
    if (account.day < 0 || windowStart("month", account.day) !== month) ended[1] = zero();
    account.day = day;
    ended[2] = zero();
  }
  account.hour = windowStart("hour", now);
  account.current = zero();
}

function addSums(one: Sums, other: Sums): Sums {
  return {
    calls: one.calls + other.calls,
    cost: one.cost + other.cost,
    charges: one.charges + other.charges,
    unpriced: one.unpriced + other.unpriced,
    unknown: one.unknown + other.unknown,
    input: one.input + other.input,
    output: one.output + other.output,
    cacheRead: one.cacheRead + other.cacheRead,
    cacheWrite: one.cacheWrite + other.cacheWrite,
    reasoning: one.reasoning + other.reasoning,
  };
}

function zero(): Sums {
  return {
    ...{ calls: 0, cost: 0, charges: 0, unpriced: 0, unknown: 0 },
    ...{ input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0 },
  };
}

/** The entries a settled call adds: itself, with the money of every part in it. */
export function entryOf(call: SettledCall, costNano: number | undefined): Entry {
  return {
    calls: call.ending === "blocked" ? 0 : 1,
    cost: costNano,
    usage: call.usage,
    unknown: call.quality === "unknown" && (call.ending === "completed" || call.ending === "canceled"),
  };
}
