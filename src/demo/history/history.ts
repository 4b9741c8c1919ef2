import { openBook } from "../../billing/book.ts";
import { DAY_MS } from "../../billing/vendors/vendor.ts";
import { isSpendfuseError } from "../../core/errors.ts";
import { boundTags, createTagBounds, writeTags } from "../../core/tags/tags.ts";
import { createDelivery } from "../../meter/export/delivery.ts";
import { loadEncoder } from "../../meter/export/encoder.ts";
import { toMetrics } from "../../meter/export/points.ts";
import { createInstruments, type Instruments } from "../../meter/metrics/instruments.ts";
import { VERSION } from "../../package/version.ts";
import { openPriceBook } from "../../pricing/open.ts";
import type { PriceSource } from "../../pricing/price.ts";
import { createJournal, type Journal } from "../../process/journal.ts";
import { openFile } from "../../stores/file/store.ts";
import type { Store } from "../../stores/store.ts";
import type { BilledCall } from "../fake-vendor/billed-call.ts";
import type { FakeVendor } from "../fake-vendor.ts";
import { HOURS, type PastCall, pastCallsOf } from "./past-calls.ts";
import { billOf, chargeOf, settledOf } from "./past-records.ts";
import { openDemoPoller } from "./poller.ts";

export interface HistoryStage {
  readonly vendor: FakeVendor;
  /** The vendor's books, which its billing API shows. */
  readonly books: BilledCall[];
  readonly standIn: { readonly url: string; moveTo(seconds: number): void };
  /** The agents' store, which nothing else has open, and the poller's book. */
  readonly store: string;
  readonly book: string;
  /** Is told the moment that the vendor is in, in milliseconds since the epoch. */
  readonly setNow: (now: number) => void;
}

/** The service of all that was made up, as metrics have it: a tag by which it can be told from what happened. */
export const HISTORY_SERVICE = "spendfuse-demo-history";
const MAX_BYTES = 400_000;
const CONNECT_MS = 5_000;
/** The poller of the past runs in the evenings of these last days, one of three; it reads the days before at once. */
const POLLED_DAYS = 31;
const POLL_EVERY = 3;
const EVENING_MS = DAY_MS - 60_000;

/** Start of the month before that of `now`, in UTC: with it, months can be compared. In milliseconds since the epoch. */
export function historyStart(now: number): number {
  const date = new Date(now);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - 1, 1);
}

interface Parts {
  readonly stage: HistoryStage;
  readonly instruments: Instruments;
  readonly journal: Journal;
  readonly price: PriceSource;
  readonly bounds: ReturnType<typeof createTagBounds>;
  /** Sends what the instruments took, with a time in seconds. */
  readonly send: (at: number) => Promise<void>;
}

/**
 * Plays the days from `from` to `until` through the meter's own tables, prices, store and export, the vendor's books and
 * the poller, with each moment as an argument. Both are starts of UTC days, in milliseconds since the epoch.
 */
export async function playHistory(stage: HistoryStage, from: number, until: number): Promise<void> {
  const store = await openFile(stage.store);
  const clock = { now: from };
  const journal = createJournal({
    store: () => store as Store,
    opening: Promise.resolve(),
    holder: "demo history",
    clock: () => clock.now,
    onFault: raise,
  });
  const instruments = createInstruments({ processName: () => "history", tags: ["customer"], version: VERSION });
  instruments.keepDurations();
  const send = await createSend(stage.standIn.url, instruments);
  const parts = { stage, instruments, journal, price: await openPriceBook({}), bounds: createTagBounds(), send };
  const poll = await openPoller(stage, store as Store);
  try {
    for (let day = from; day < until; day += DAY_MS) {
      await playDay(parts, day);
      clock.now = day + EVENING_MS;
      await journal.flush();
      const left = (until - day) / DAY_MS;
      if (left > POLLED_DAYS || left % POLL_EVERY !== 1) continue;
      stage.setNow(clock.now);
      stage.standIn.moveTo(clock.now / 1_000);
      await poll.round(clock.now);
    }
  } finally {
    poll.close();
    await journal.close();
    await store.close();
  }
}

function raise(error: unknown): never {
  throw error;
}

async function playDay(parts: Parts, day: number): Promise<void> {
  const { stage, send } = parts;
  const hours = Map.groupBy(pastCallsOf(day), ({ at }) => at);
  for (const [at, calls] of [...hours].sort(([a], [b]) => a - b)) {
    for (const call of calls) playCall(parts, call);
    stage.standIn.moveTo(at / 1_000);
    await send(at / 1_000);
  }
}

function playCall({ stage, instruments, journal, price, bounds }: Parts, call: PastCall): void {
  stage.books.push(billOf(call));
  if (!call.metered) return;
  const { settled, parts } = settledOf(call, price);
  const tags = writeTags(boundTags(bounds, settled.scope));
  instruments.record(settled, parts);
  journal.record(settled, parts, tags);
  const charge = chargeOf(call);
  if (charge === undefined) return;
  instruments.charge(charge);
  journal.charge(charge, tags);
}

async function createSend(url: string, instruments: Instruments): Promise<(at: number) => Promise<void>> {
  const target = { url: `${url}/v1/metrics`, headers: {}, encoding: "json", compression: "none", hint: "" } as const;
  const deliver = createDelivery({ metrics: { ...target, timeoutMs: 5_000 } }, await loadEncoder());
  const resource = { "service.name": HISTORY_SERVICE };
  return async (at) => {
    const taken = instruments.take();
    const interval = { start: at - HOURS.length * 3_600, end: at };
    for (const data of toMetrics(taken, interval, resource, { name: "spendfuse", version: VERSION }, MAX_BYTES)) {
      const outcome = await deliver({ signal: "metrics", data }, { connectMs: CONNECT_MS });
      if (outcome.type !== "sent" || outcome.rejected > 0) throw new Error(`history was not taken: ${outcome.reason}`);
    }
  };
}

/** The poller of the evenings. One that cannot read, as without the vendors' packages, is not asked again. */
async function openPoller(
  { vendor, standIn, book: path }: HistoryStage,
  store: Store,
): Promise<{ round(now: number): Promise<void>; close(): void }> {
  const book = await openBook(path, { alone: true });
  const poll = openDemoPoller({ vendor, standInUrl: standIn.url, service: HISTORY_SERVICE, store, book });
  let able = true;
  let first = true;
  return {
    async round(now) {
      if (!able) return;
      const from = first ? historyStart(now) : now - (now % DAY_MS) - POLL_EVERY * DAY_MS;
      const rounds = await poll(
        { from },
        () => now,
        () => {},
      );
      first = false;
      const [error] = rounds.flatMap(({ errors }) => errors);
      able = error === undefined;
      if (error !== undefined && !(isSpendfuseError(error) && error.code === "SPENDFUSE_MISSING_PACKAGE")) throw error;
    },
    close: () => book.close(),
  };
}
