/**
 * The shared count of one budget, scope and window, as a store keeps it. Each process (a holder) reports its total
 * spend, so that reports are idempotent, and holds a slice: the amount it may have in flight without asking.
 */
export interface Tally {
  /** Spent by holders that have left. */
  base: number;
  /** By name. A name that {@link signOf} knows is no process but a change of the cap: `spent` is its amount. */
  readonly holders: Map<string, Holding>;
  /** Until then slices are cut to what is in flight: a holder found too little left. Milliseconds since the epoch. */
  tightUntil: number;
  /** Until then nothing is granted: the store has lost what it kept, and is being told again. Milliseconds since the epoch. */
  quietUntil: number;
  /** A part of it could not be read: what reporters saw of others fills the gap. */
  damaged?: boolean;
}

export interface Holding {
  /** Settled by this holder, in all. */
  readonly spent: number;
  /** Reserved by calls in flight, or granted to calls that waited for it. */
  readonly inUse: number;
  /** What it may have in flight; at least `inUse`. */
  readonly slice: number;
  /** Milliseconds since the epoch. A holder that has not reported by then counts as dead. */
  readonly until: number;
}

/** What a holder reports, and what it asks for. All amounts are integers of 0 or more, in the unit of the budget. */
export interface Report {
  /** Names the count: budget, scope and window. */
  readonly key: string;
  /** Further counts whose spend takes from the cap, such as earlier parts of a moving window. */
  readonly earlier: readonly string[];
  readonly holder: string;
  readonly cap: number;
  readonly spent: number;
  /** The part of `spent` that the store confirmed; above zero it tells a store that it has lost this holder. */
  readonly acked: number;
  /** The most that others were seen to have spent, for a store that has lost them too. */
  readonly others: number;
  readonly inUse: number;
  /** The slice that the holder has and does not give back; what is above `inUse` of it may be in use by the answer. */
  readonly keep: number;
  /** Wanted beside `keep` for calls that wait now. Granted in full, it counts as in use until the next report. */
  readonly need: number;
  /** Wanted in hand beside `inUse` and `need`; what of `keep` is idle counts towards it. */
  readonly spare: number;
  /** A holder is waiting for the idle slices of others. */
  readonly tight: boolean;
  /** The holder leaves: what it spent stays, the holder is removed. */
  readonly leave: boolean;
  /** For how long the holder counts as alive, in milliseconds. */
  readonly leaseMs: number;
  /** For how long the count is of interest, in milliseconds. */
  readonly keepMs: number;
}

/** How a count stands after a report. */
export interface Standing {
  /** Spent by all in the window, calls of dead holders at their estimate. */
  readonly spent: number;
  /** Of `spent`, what others spent in the current count. */
  readonly others: number;
  /** What the reporting holder may have in flight. */
  readonly slice: number;
  /** What other living holders hold and do not use. */
  readonly idle: number;
  /** Slices of other living holders in all. */
  readonly held: number;
  readonly tight: boolean;
  /** Nothing is granted for now, whatever is left: not every holder may have reported again. */
  readonly quiet: boolean;
  /** By how much operators have raised the cap of this count, in all; below zero where they lowered it. */
  readonly raised: number;
}

export type CapChange = "raise" | "lower";

/** The holder that stands for a change of the cap. A change that is reported again under its id counts once. */
export function changeHolder(change: CapChange, id: string): string {
  return `${change === "raise" ? "+" : "-"}${id}`;
}

/** 1 for the holder of a raise, -1 for that of a reduction, 0 for a process. */
function signOf(holder: string): -1 | 0 | 1 {
  const first = holder.charCodeAt(0);
  return first === PLUS ? 1 : first === MINUS ? -1 : 0;
}

const PLUS = 0x2b;
const MINUS = 0x2d;
/** What the key of a recall ends with when it is the cap that changed. No count's key does: "changed" is no scope. */
const CHANGED = "|changed|";

/** The key to recall when the cap of a count has changed, so that all processes ask for its standing. */
export function changedKey(key: string): string {
  return `${key}${CHANGED}`;
}

/** The count that {@link changedKey} names; undefined for any other key. */
export function changedCount(key: string): string | undefined {
  return key.endsWith(CHANGED) ? key.slice(0, -CHANGED.length) : undefined;
}

/** By how much the cap of a count is raised, in all; below zero where it is lowered. */
export function raisedOf(tally: Tally): number {
  let raised = 0;
  for (const [name, { spent }] of tally.holders) raised += signOf(name) * spent;
  return raised;
}

/** How long holders have to report again what a store has lost. */
const QUIET_MS = 1_000;

/** A lease that ends later than so many of its lengths from now was written by a clock that was ahead. */
const MAX_LEASES = 60;
/** A silent holder is folded into the base after this many of its leases. */
const FORGET_LEASES = 360;
const TIGHT_MS = 2_000;
/** The share of the remainder that one holder may hold. */
const SPARE_PART = 0.1;

/** Whether a stored value is an amount, or a time: anything else is damage. */
export function isAmount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Whether a report can be applied; one with a broken figure must not spoil the count. */
export function isSound(report: Report): boolean {
  const { cap, spent, acked, others, inUse, keep, need, spare, leaseMs, keepMs } = report;
  return [cap, spent, acked, others, inUse, keep, need, spare].every(isAmount) && leaseMs > 0 && keepMs > 0;
}

/** Longer than a lease only where a clock was ahead when the holder reported. */
function isAlive({ until }: Holding, leaseMs: number, now: number): boolean {
  return until > now && until - now <= leaseMs * MAX_LEASES;
}

export function emptyTally(): Tally {
  return { base: 0, holders: new Map(), tightUntil: 0, quietUntil: 0 };
}

/** Everything that permanently reduces the cap: calls in flight when their holder died may have cost all. */
export function spentOf(tally: Tally, now: number): number {
  let spent = tally.base;
  for (const [name, holding] of tally.holders) {
    if (signOf(name) === 0) spent += holding.spent + (holding.until > now ? 0 : holding.inUse);
  }
  return spent;
}

/**
 * Applies a report to the tally, and returns the standing. `earlier` is the sum of the earlier counts.
 * The Redis script does the same in Lua; the stores' common tests hold them together.
 */
export function exchange(tally: Tally, report: Report, earlier: number, now: number): Standing {
  const { holder, inUse, leaseMs } = report;
  const sign = signOf(holder);
  const spent = sign === 0 ? report.spent : 0;
  const before = tally.holders.get(holder);
  let others = 0;
  let held = 0;
  let idle = 0;
  let raised = sign * report.spent;
  for (const [name, holding] of tally.holders) {
    if (name === holder) continue;
    if (signOf(name) !== 0) raised += signOf(name) * holding.spent;
    else if (isAlive(holding, leaseMs, now)) {
      others += holding.spent;
      held += holding.slice;
      idle += holding.slice - holding.inUse;
    } else if (holding.until + FORGET_LEASES * leaseMs < now) {
      tally.base += holding.spent + holding.inUse;
      tally.holders.delete(name);
    } else others += holding.spent + holding.inUse;
  }
  // The store has lost this holder: what others reported of it is in the base, what it saw of others may not be.
  const isLost = before === undefined && report.acked > 0;
  if (isLost) tally.base = Math.max(0, tally.base - report.acked);
  if (isLost || tally.damaged) tally.quietUntil = Math.max(tally.quietUntil, now + QUIET_MS);
  const quiet = tally.quietUntil > now && tally.quietUntil - now <= QUIET_MS;
  if (isLost || tally.damaged) tally.base = Math.max(tally.base, report.others - others);
  others += tally.base;
  if (report.tight) tally.tightUntil = now + TIGHT_MS;
  const tight = tally.tightUntil > now && tally.tightUntil - now <= TIGHT_MS;
  const kept = Math.max(inUse, report.keep);
  const left = Math.max(0, report.cap + raised - earlier - others - spent - held - kept);
  const need = quiet ? 0 : Math.min(report.need, left);
  const wanted = Math.max(0, report.spare - (kept - inUse));
  const spare = tight || quiet ? 0 : Math.min(wanted, Math.floor((left - need) * SPARE_PART));
  const slice = kept + need + spare;
  if (report.leave) {
    tally.base += spent + inUse;
    tally.holders.delete(holder);
  } else {
    // What calls wait for is in use once the answer is there, which the holder may not live to report.
    const taken = need === report.need ? need : 0;
    tally.holders.set(holder, { spent: report.spent, inUse: inUse + taken, slice, until: now + leaseMs });
  }
  return { spent: earlier + others + spent, others, slice: report.leave ? 0 : slice, idle, held, tight, quiet, raised };
}
