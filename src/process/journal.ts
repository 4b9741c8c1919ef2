import { setInterval } from "node:timers";
import type { CallPart, SettledCall } from "../core/call.ts";
import {
  addMetered,
  type MeteredSums,
  meteredKey,
  meteredRows,
  meteredSums,
  NOTHING_METERED,
} from "../core/metered.ts";
import { type MeteredTotal, type Store, within } from "../stores/store.ts";

/** What a process has metered, told to a store that outlives it: the metered side of the vendors' bills. */
export interface Journal {
  record(call: SettledCall, parts: readonly CallPart[]): void;
  /** Writes what is new. Never rejects: what could not be written is tried again. */
  flush(): Promise<void>;
  /** The same at once, for a process that ends: the file store answers at once, others have what was flushed before. */
  save(): void;
  close(): Promise<void>;
}

export interface JournalOptions {
  /** Undefined while it is not open. */
  readonly store: () => Store | undefined;
  /** Settles when the store is open, or cannot be opened for now. */
  readonly opening: Promise<unknown>;
  /** Called when nothing more is written. */
  readonly release?: () => unknown;
  /** Names this process; never used by another one, nor after a restart. */
  readonly holder: string;
  readonly onFault: (error: unknown) => void;
  readonly clock?: () => number;
}

const FLUSH_MS = 1_000;
/** How long a flush waits for a store that is being opened. */
const OPENING_MS = 2_000;
const DAY_MS = 86_400_000;

interface Entry {
  readonly day: number;
  readonly sums: MeteredSums;
  dirty: boolean;
}

export function createJournal(options: JournalOptions): Journal {
  const { store, opening, holder, onFault, clock = Date.now } = options;
  const entries = new Map<string, Entry>();
  let dirty: [string, Entry][] = [];
  let writing: Promise<void> | undefined;

  const timer = setInterval(() => void write(), FLUSH_MS);
  timer.unref();
  // Once: a lasting listener would count as somebody who does asynchronous work there.
  process.once("beforeExit", flush);
  process.on("exit", save);

  function record(call: SettledCall, parts: readonly CallPart[]): void {
    for (const row of meteredRows(call, parts)) {
      const key = meteredKey(row);
      let entry = entries.get(key);
      if (entry === undefined) {
        entry = { day: row.day, sums: { ...NOTHING_METERED }, dirty: false };
        entries.set(key, entry);
      }
      addMetered(entry.sums, meteredSums(row));
      if (entry.dirty) continue;
      entry.dirty = true;
      dirty.push([key, entry]);
    }
  }

  function take(): { readonly taken: readonly [string, Entry][]; readonly totals: readonly MeteredTotal[] } {
    const taken = dirty;
    dirty = [];
    const totals = taken.map(([key, entry]) => {
      entry.dirty = false;
      return { day: entry.day, key, sums: meteredSums(entry.sums) };
    });
    return { taken, totals };
  }

  function putBack(taken: readonly [string, Entry][]): void {
    for (const [key, entry] of taken) {
      if (entry.dirty) continue;
      entry.dirty = true;
      dirty.push([key, entry]);
    }
  }

  async function flush(): Promise<void> {
    if (dirty.length > 0 && store() === undefined) await within(opening, OPENING_MS).catch(() => {});
    await write();
  }

  /** One write at a time: an older total must not arrive after a newer one. */
  async function write(): Promise<void> {
    await writing;
    const into = store();
    if (into === undefined || dirty.length === 0) return;
    const { taken, totals } = take();
    writing = (async () => {
      try {
        await into.putMetered(holder, totals);
        forget();
      } catch (error) {
        putBack(taken);
        onFault(error);
      }
    })();
    await writing;
  }

  /** Days that are over get no more calls. */
  function forget(): void {
    const before = clock() - 2 * DAY_MS;
    for (const [key, { day, dirty: waits }] of entries) if (day < before && !waits) entries.delete(key);
  }

  function save(): void {
    const into = store();
    if (into === undefined || dirty.length === 0) return;
    try {
      void Promise.resolve(into.putMetered(holder, take().totals)).catch(() => {});
    } catch {
      // A process that ends must not fail by us.
    }
  }

  return {
    record,
    flush,
    save,
    async close() {
      clearInterval(timer);
      process.off("beforeExit", flush);
      process.off("exit", save);
      await flush();
      await options.release?.();
    },
  };
}
