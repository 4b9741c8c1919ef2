import type { CallPart, SettledCall } from "../core/call.ts";
import { type LateCall, lateCallOf, type PriceTerms } from "../core/late/late-call.ts";
import {
  addUsage,
  KEEP_MINUTES_MS,
  MINUTE_MS,
  type MinuteTotal,
  minuteGroupOf,
  minuteKey,
  NO_MINUTE,
} from "../core/late/minute.ts";
import { type Entry, entryOf } from "../core/ledger.ts";
import type { Usage } from "../core/usage.ts";
import type { OpenCall } from "../meter/call/open-call.ts";
import { type LateRecords, NO_RECORDS } from "../stores/store.ts";

/** What of an open call is needed to correct it later. */
export type CallTraces = Pick<OpenCall, "node" | "ticket" | "span"> & {
  readonly reading: Pick<OpenCall["reading"], "speed" | "geo">;
  readonly target: Pick<OpenCall["target"], "host">;
};

/** A late call of this process that has not settled. */
export interface PendingCall extends Pick<CallTraces, "node" | "ticket" | "span"> {
  readonly call: LateCall;
  /** What the ledger counted of it. */
  readonly entry: Entry;
}

/** The late calls of this process, and what it metered by the minute: from both a vendor's later word settles a call. */
export interface LateCalls {
  /**
   * @param tags Those that stored rows show, by `writeTags`.
   * @param onLate Called with the late call where it is one.
   */
  record(
    call: SettledCall,
    parts: readonly CallPart[],
    traces: CallTraces,
    tags?: string,
    onLate?: (late: LateCall) => void,
  ): void;
  /** Writes a call again, whose group has changed. */
  regroup(call: LateCall): void;
  /** Not settled yet, the oldest first. */
  readonly pending: ReadonlyMap<string, PendingCall>;
  /** A call has settled, or it is too late for it. */
  drop(id: string): void;
  /** What was not taken before, to be written together with the totals. */
  take(): LateRecords;
  /** What was taken could not be written. */
  putBack(records: LateRecords): void;
  /** A store has lost what it kept. */
  retell(): void;
}

interface Minute {
  readonly total: MinuteTotal;
  dirty: boolean;
}

interface LateState {
  readonly holder: string;
  readonly pending: Map<string, PendingCall>;
  readonly minutes: Map<string, Minute>;
  dirtyMinutes: Minute[];
  /** The one that was added to last. */
  last: Minute | undefined;
  fresh: LateCall[];
}

/** Pending calls kept in memory; of those beyond, only the store still knows. */
const MAX_PENDING = 5_000;
const MAX_MINUTES = 10_000;

/** @param holder Unique id of this process. */
export function createLateCalls(holder: string): LateCalls {
  const state: LateState = {
    holder,
    pending: new Map(),
    minutes: new Map(),
    dirtyMinutes: [],
    last: undefined,
    fresh: [],
  };
  return {
    pending: state.pending,
    record(call, parts, traces, tags, onLate) {
      const late = record(state, call, parts, traces, tags);
      if (late !== undefined) onLate?.(late);
    },
    regroup: (call) => regroup(state, call),
    drop: (id) => state.pending.delete(id),
    take: () => take(state),
    putBack: (records) => putBack(state, records),
    retell() {
      state.fresh = [...state.pending.values()].map(({ call }) => call);
      for (const minute of state.minutes.values()) markDirty(state, minute);
    },
  };
}

function record(
  state: LateState,
  call: SettledCall,
  parts: readonly CallPart[],
  traces: CallTraces,
  tags: string | undefined,
): LateCall | undefined {
  // No vendor reports what is used on a subscription.
  if (call.priced === "plan") return undefined;
  if (call.quality === "reported") {
    if (call.usage !== undefined && parts.length === 1) addMinute(state, call, call.usage);
    return undefined;
  }
  const late = lateCallOf(call, parts, state.holder, termsOf(traces), tags);
  if (late === undefined) return undefined;
  const { node, ticket, span } = traces;
  state.fresh.push(late);
  state.pending.set(late.id, { node, ticket, span, call: late, entry: entryOf(call, late.costNano) });
  if (state.pending.size > MAX_PENDING) {
    const [oldest] = state.pending.keys();
    if (oldest !== undefined) state.pending.delete(oldest);
  }
  return late;
}

/** A settlement that the store has of it holds for the new group too. */
function regroup({ pending, fresh }: LateState, call: LateCall): void {
  const known = pending.get(call.id);
  if (known !== undefined) pending.set(call.id, { ...known, call });
  fresh.push(call);
}

function termsOf({ reading: { speed, geo }, target: { host } }: CallTraces): PriceTerms {
  return {
    ...(speed !== undefined && { speed }),
    ...(geo !== undefined && { geo }),
    ...(host?.priceId !== undefined && { priceId: host.priceId }),
    ...(host === undefined && { guessedProvider: true }),
  };
}

function addMinute(state: LateState, call: SettledCall, usage: Usage): void {
  const { last } = state;
  const minute = last !== undefined && isOf(last.total, call) ? last : minuteFor(state, call);
  state.last = minute;
  addUsage(minute.total, usage);
  markDirty(state, minute);
}

/** Most calls are of the same group as the one before, and then need no key. */
function isOf({ provider, key, model, from, until }: MinuteTotal, call: SettledCall): boolean {
  const { startedAt, durationMs, scope } = call;
  if (startedAt < from || startedAt >= from + MINUTE_MS || model !== call.model || provider !== call.provider)
    return false;
  const endedAt = startedAt + durationMs;
  return endedAt >= until && endedAt < until + MINUTE_MS && key === (scope.key ?? "");
}

function minuteFor(state: LateState, call: SettledCall): Minute {
  const group = minuteGroupOf(call);
  const key = minuteKey(group);
  let minute = state.minutes.get(key);
  if (minute === undefined) {
    if (state.minutes.size >= MAX_MINUTES) forgetMinutes(state, group.until);
    minute = { total: { ...group, ...NO_MINUTE }, dirty: false };
    state.minutes.set(key, minute);
  }
  return minute;
}

function markDirty(state: LateState, minute: Minute): void {
  if (minute.dirty) return;
  minute.dirty = true;
  state.dirtyMinutes.push(minute);
}

/** Minutes that are too old to be of use, and else the oldest tenth of what is written. */
function forgetMinutes(state: LateState, now: number): void {
  const { minutes } = state;
  state.last = undefined;
  for (const [key, { total, dirty }] of minutes) if (!dirty && total.until < now - KEEP_MINUTES_MS) minutes.delete(key);
  let left = minutes.size < MAX_MINUTES ? 0 : MAX_MINUTES / 10;
  for (const [key, { dirty }] of minutes) {
    if (left <= 0) return;
    // One that begins again would replace in the store what it was: its minute must be over.
    if (dirty) continue;
    minutes.delete(key);
    left -= 1;
  }
}

function take(state: LateState): LateRecords {
  if (state.fresh.length === 0 && state.dirtyMinutes.length === 0) return NO_RECORDS;
  const calls = state.fresh;
  const minutes = state.dirtyMinutes.map(({ total }): MinuteTotal => ({ ...total }));
  for (const minute of state.dirtyMinutes) minute.dirty = false;
  state.fresh = [];
  state.dirtyMinutes = [];
  return { calls, minutes };
}

function putBack(state: LateState, { calls, minutes }: LateRecords): void {
  state.fresh.unshift(...calls);
  for (const total of minutes) {
    const minute = state.minutes.get(minuteKey(total));
    if (minute !== undefined) markDirty(state, minute);
  }
}
