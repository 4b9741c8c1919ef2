import { setInterval } from "node:timers";
import type { CallPart, SettledCall } from "../core/call.ts";
import {
  addMetered,
  type MeteredRow,
  type MeteredSums,
  meteredKey,
  meteredRows,
  meteredSums,
  NOTHING_METERED,
} from "../core/metered.ts";
import { type Charge, chargeRow } from "../pricing/charge.ts";
import { type LateRecords, type MeteredTotal, type Store, within } from "../stores/store.ts";
import type { LateCalls } from "./late-calls.ts";

/** Writes what a process metered to a store that outlives it: the metered side of reconciliation. */
export interface Journal {
  /** @param tags Those that stored rows show, by `writeTags`. */
  record(call: SettledCall, parts: readonly CallPart[], tags?: string): readonly MeteredRow[];
  /** Adds a row, or takes one out; false for a day whose totals are no longer kept here, which stay as they are. */
  add(row: MeteredRow): boolean;
  /** @param tags As for {@link record}. */
  charge(charge: Charge, tags: string): MeteredRow;
  /** Undefined while it is not open. */
  readonly store: () => Store | undefined;
  /** Writes what changed. Never rejects: a write that failed is tried again. */
  flush(): Promise<void>;
  /** Writes synchronously, for a process that exits: only the file store completes; others keep the last flush. */
  save(): void;
  close(): Promise<void>;
}

export interface JournalOptions {
  /** Undefined while it is not open. */
  readonly store: () => Store | undefined;
  /** Settles when the store is open, or cannot be opened for now. */
  readonly opening: Promise<unknown>;
  /** Called by `close` after the last write. */
  readonly release?: () => unknown;
  /** Unique id of this process, never reused, not even after a restart. */
  readonly holder: string;
  /** Written together with the totals. */
  readonly late?: LateCalls;
  readonly onFault: (error: unknown) => void;
  readonly clock?: () => number;
}

const FLUSH_MS = 1_000;
/** How long a flush waits for a store that is being opened. */
const OPENING_MS = 2_000;

const DAY_MS = 86_400_000;
/** Entries kept in memory; above it, those that are written are dropped. */
const MAX_ENTRIES = 20_000;

interface Entry {
  /** Whose total it is in the store: an entry that was dropped and begins again must not replace what it was. */
  readonly holder: string;
  readonly key: string;
  readonly day: number;
  readonly sums: MeteredSums;
  dirty: boolean;
}

interface JournalState {
  readonly options: JournalOptions;
  readonly clock: () => number;
  readonly entries: Map<string, Entry>;
  /** Entries that changed since they were written. */
  dirty: Entry[];
  /** The writes in progress, one after the other. */
  writing: Promise<void> | undefined;
  /** The store whose losses are listened to. */
  watched: Store | undefined;
  /** Counts how often written entries were dropped. */
  drops: number;
}

export function createJournal(options: JournalOptions): Journal {
  const entries = new Map<string, Entry>();
  const journal: JournalState = {
    options,
    clock: options.clock ?? Date.now,
    entries,
    dirty: [],
    writing: undefined,
    watched: undefined,
    drops: 0,
  };
  const flushAll = (): Promise<void> => flush(journal);
  const saveAll = (): void => save(journal);
  const timer = setInterval(() => void write(journal), FLUSH_MS);
  timer.unref();
  // `once`: the exit of the export takes a lasting listener for asynchronous work of the app.
  process.once("beforeExit", flushAll);
  process.on("exit", saveAll);
  return {
    store: options.store,
    record(call, parts, tags) {
      const rows = meteredRows(call, parts, tags);
      for (const row of rows) addRow(journal, row);
      return rows;
    },
    add(row) {
      const isKept = keepsDay(journal, row.day);
      if (isKept) addRow(journal, row);
      return isKept;
    },
    charge(charge, tags) {
      const row = chargeRow(charge, tags);
      addRow(journal, row);
      return row;
    },
    flush: flushAll,
    save: saveAll,
    async close() {
      clearInterval(timer);
      process.off("beforeExit", flushAll);
      process.off("exit", saveAll);
      await flush(journal);
      await options.release?.();
    },
  };
}

function addRow(journal: JournalState, row: MeteredRow): void {
  const { entries } = journal;
  const key = meteredKey(row);
  let entry = entries.get(key);
  if (entry === undefined) {
    entry = { holder: holderOf(journal), key, day: row.day, sums: { ...NOTHING_METERED }, dirty: false };
    entries.set(key, entry);
  }
  addMetered(entry.sums, meteredSums(row));
  if (entry.dirty) return;
  entry.dirty = true;
  journal.dirty.push(entry);
}

/** Whether totals of that day can still change here. */
function keepsDay({ clock }: JournalState, day: number): boolean {
  return day >= clock() - 2 * DAY_MS;
}

async function flush(journal: JournalState): Promise<void> {
  const { store, opening } = journal.options;
  if (journal.dirty.length > 0 && store() === undefined) await within(opening, OPENING_MS).catch(() => {});
  await write(journal);
}

/**
 * Resolves when all rows that were accepted before are written, or could not be. One write at a time: an older total must
 * not arrive after a newer one.
 */
function write(journal: JournalState): Promise<void> {
  const before = journal.writing;
  if (before === undefined && journal.dirty.length === 0) return Promise.resolve();
  const turn = before === undefined ? writeNow(journal) : before.then(() => writeNow(journal));
  const writing = turn.finally(() => {
    if (journal.writing === writing) journal.writing = undefined;
  });
  journal.writing = writing;
  return writing;
}

async function writeNow(journal: JournalState): Promise<void> {
  const store = journal.options.store();
  if (store === undefined || journal.dirty.length === 0) return;
  watch(journal, store);
  const taken = takeDirty(journal);
  const late = journal.options.late?.take();
  try {
    await putAll(store, journal.options.holder, taken, late);
    forget(journal);
  } catch (error) {
    putBack(journal, taken);
    if (late !== undefined) journal.options.late?.putBack(late);
    journal.options.onFault(error);
  }
}

/** A store that was lost may come back empty: everything is then written again. */
function watch(journal: JournalState, store: Store): void {
  if (journal.watched === store) return;
  journal.watched = store;
  store.subscribe(({ type }) => {
    if (type !== "back") return;
    putBack(journal, [...journal.entries.values()]);
    journal.options.late?.retell();
  });
}

function takeDirty(journal: JournalState): readonly Entry[] {
  const taken = journal.dirty;
  journal.dirty = [];
  for (const entry of taken) entry.dirty = false;
  return taken;
}

function totalOf({ day, key, sums }: Entry): MeteredTotal {
  return { day, key, sums: meteredSums(sums) };
}

function putBack({ dirty }: JournalState, taken: readonly Entry[]): void {
  for (const entry of taken) {
    if (entry.dirty) continue;
    entry.dirty = true;
    dirty.push(entry);
  }
}

/** Drops days that are over, to which no call is added; and all that is written once there are too many. */
function forget(journal: JournalState): void {
  const { entries } = journal;
  const dropsAll = entries.size > MAX_ENTRIES;
  if (dropsAll) journal.drops += 1;
  for (const [key, { day, dirty }] of entries) if ((dropsAll || !keepsDay(journal, day)) && !dirty) entries.delete(key);
}

function holderOf({ options, drops }: JournalState): string {
  return drops === 0 ? options.holder : `${options.holder}-${drops}`;
}

async function putAll(
  store: Store,
  holder: string,
  entries: readonly Entry[],
  late: LateRecords | undefined,
): Promise<void> {
  for (const [name, totals, records] of writesOf(holder, entries, late)) await store.putMetered(name, totals, records);
}

/** Late calls come last: never before the total that contains them. */
function writesOf(
  holder: string,
  entries: readonly Entry[],
  late: LateRecords | undefined,
): readonly (readonly [holder: string, totals: readonly MeteredTotal[], late: LateRecords | undefined])[] {
  const byHolder = Map.groupBy(entries, (entry) => entry.holder);
  const own = byHolder.get(holder) ?? [];
  byHolder.delete(holder);
  const others = [...byHolder].map(([name, some]) => [name, some.map(totalOf), undefined] as const);
  return [...others, [holder, own.map(totalOf), late]];
}

function save(journal: JournalState): void {
  const target = journal.options.store();
  if (target === undefined || journal.dirty.length === 0) return;
  try {
    const { holder, late } = journal.options;
    for (const [name, totals, records] of writesOf(holder, takeDirty(journal), late?.take()))
      void Promise.resolve(target.putMetered(name, totals, records)).catch(() => {});
  } catch {
    // Must not break the exit of the process.
  }
}
