import { SpendfuseError } from "../core/errors.ts";
import { windowStart } from "../core/ledger.ts";
import { ask, faultOf, type Patience, type VendorFault } from "./ask.ts";
import type { Account } from "./book/reading.ts";
import type { Book } from "./book.ts";
import {
  type BillWindow,
  DAY_MS,
  dayOf,
  type OpenOptions,
  type Report,
  type Vendor,
  type VendorAccount,
} from "./vendors/vendor.ts";
import { planWindows } from "./windows.ts";

/** Days from `from` (inclusive) to `until` (exclusive); absent: the days that are due. */
export interface Range {
  readonly from?: number | undefined;
  readonly until?: number | undefined;
}

export interface PollOptions {
  readonly vendor: Vendor;
  readonly account: VendorAccount;
  readonly book: Book;
  /** The vendor's clock. */
  readonly now: () => number;
  readonly range: Range;
  readonly patience: Patience;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly report: string;
  /** Windows of all reports that are read, of how many. */
  readonly done: number;
  readonly of: number;
  readonly rows: number;
}

export interface Polled {
  /** The requested days, changed or not. */
  readonly from: number;
  readonly until: number;
  /** Days with added, changed or removed rows. */
  readonly changed: ReadonlySet<number>;
  readonly windows: number;
  readonly rows: number;
  /** Why rows of the vendor's answers are left out, with their report. */
  readonly unread: readonly string[];
}

/** Vendors restate for up to a month; this many days are read again, about once a day. */
const RESTATED_DAYS = 35;
const NIGHTLY_MS = 20 * 3_600_000;
/** A range must not end in the vendor's future; its clock is only known to the second. */
const MARGIN_MS = 5_000;
const MAX_REPLANS = 3;

/**
 * Reads what is due of a vendor's reports into the book. An interrupted run resumes when it is requested again with the
 * same range.
 * @throws SpendfuseError `SPENDFUSE_VENDOR` or `SPENDFUSE_STORE`; what was read before is kept.
 */
export async function pollVendor(options: PollOptions): Promise<Polled> {
  const { vendor, account, book } = options;
  const who: Account = { vendor: vendor.name, org: account.org };
  const now = options.now();
  const run = beginRun(options, now);
  const from = options.range.from ?? firstDue(options, who, now);
  const until = Math.min(options.range.until ?? now, now) - (options.range.until === undefined ? MARGIN_MS : 0);
  const changed = new Set<number>();
  const unread: string[] = [];
  let rows = 0;
  let done = 0;

  const plan = (report: Report): readonly BillWindow[] => {
    const readAt = book.readAt(who, report.name, dayOf(from), until);
    const isDue = (day: number): boolean => isDueAt(vendor, options.range, run.started, day, readAt.get(day), now);
    return planWindows({ report, from, until, now: now - MARGIN_MS, isDue });
  };

  const names = account.reports().map(({ name }) => name);
  const reportOf = (name: string): Report => account.reports().find((report) => report.name === name) as Report;
  const plans = new Map(names.map((name) => [name, plan(reportOf(name))]));
  let of = [...plans.values()].reduce((sum, windows) => sum + windows.length, 0);
  for (const name of names) {
    let windows = plans.get(name) ?? [];
    for (let replans = 0; windows.length > 0; ) {
      const [window, ...rest] = windows as [BillWindow, ...BillWindow[]];
      options.onProgress?.({ report: name, done, of, rows });
      const read = await readWindow(options, who, reportOf(name), window);
      if (read === "replan") {
        if (++replans > MAX_REPLANS)
          throw new SpendfuseError(
            "SPENDFUSE_VENDOR",
            `${vendor.title} changed the limits of its reports several times in one run: run this again later`,
          );
        const before = windows.length;
        windows = plan(reportOf(name));
        of += windows.length - before;
        continue;
      }
      for (const day of read.changed) changed.add(day);
      rows += read.rows;
      unread.push(...read.unread.map((why) => `${describeWindow(window)}: ${why}`));
      done += 1;
      windows = rest;
    }
  }
  book.putRun(vendor.name, { ...run, finished: options.now() });
  options.onProgress?.({ report: "", done, of, rows });
  return { from: dayOf(from), until, changed, windows: done, rows, unread };
}

/** Opens a vendor's account. @throws SpendfuseError `SPENDFUSE_VENDOR` or `SPENDFUSE_MISSING_PACKAGE` */
export async function openAccount(vendor: Vendor, options: OpenOptions, patience: Patience): Promise<VendorAccount> {
  try {
    return await ask(() => vendor.open(options), patience);
  } catch (error) {
    throw explain(vendor, error);
  }
}

/** The run to resume, or a new one. */
function beginRun({ vendor, book, range }: PollOptions, now: number) {
  const wanted = JSON.stringify([range.from, range.until]);
  const last = book.run(vendor.name);
  const resumes = range.from !== undefined && last?.wanted === wanted && last.finished === undefined;
  if (last !== undefined && resumes) return last;
  const run = { wanted, started: now, finished: undefined };
  book.putRun(vendor.name, run);
  return run;
}

function firstDue({ vendor, book }: PollOptions, who: Account, now: number): number {
  const last = book.lastDay(who);
  const restated = dayOf(now) - RESTATED_DAYS * DAY_MS;
  const gap = last === undefined ? restated : last - vendor.trailingDays * DAY_MS;
  return Math.min(windowStart("month", now), restated, gap);
}

/** A day is due until it was read long enough after its end, and then at times, because vendors restate it. */
function isDueAt(
  { trailingDays }: Vendor,
  { from }: Range,
  started: number,
  day: number,
  readAt: number | undefined,
  now: number,
): boolean {
  if (readAt === undefined) return true;
  if (from !== undefined) return readAt < started;
  const end = day + DAY_MS;
  if (readAt < end + trailingDays * DAY_MS) return true;
  return readAt < end + RESTATED_DAYS * DAY_MS && now - readAt > NIGHTLY_MS;
}

interface WindowRead {
  readonly changed: readonly number[];
  readonly rows: number;
  readonly unread: readonly string[];
}

async function readWindow(
  { vendor, account, book, now, patience }: PollOptions,
  who: Account,
  report: Report,
  window: BillWindow,
): Promise<WindowRead | "replan"> {
  const query = account.query(window);
  let cursor = book.bookmark(who, window, query);
  const unread: string[] = [];
  let restarts = 0;
  let rows = 0;
  for (;;) {
    let page: Awaited<ReturnType<VendorAccount["read"]>>;
    try {
      const at = cursor;
      page = await ask(() => account.read(window, at), patience);
    } catch (error) {
      // The vendor no longer accepts the cursor: the window is read again from its beginning.
      if (cursor === undefined || faultOf(error)?.status !== 400 || restarts > 0) throw explain(vendor, error, window);
      restarts += 1;
      book.forget(who, window.report);
      cursor = undefined;
      continue;
    }
    if (page === "replan") return page;
    rows += page.rows.length;
    unread.push(...(page.unread ?? []));
    if (page.next === undefined) return { changed: book.settle(who, report, window, page, now()), rows, unread };
    if (page.next === cursor)
      throw new SpendfuseError(
        "SPENDFUSE_VENDOR",
        `${vendor.title} gives the same page of ${report.name} again: run this again later; what was read before stays`,
      );
    book.keep(who, window, query, page);
    cursor = page.next;
  }
}

function describeWindow({ report, from, until }: BillWindow): string {
  return `${report}, ${isoDay(from)} to ${isoDay(until - 1)}`;
}

/** What an explanation names of a vendor. */
type Explained = Pick<Vendor, "name" | "title" | "variable" | "needs">;

/** Turns a vendor's error into one that names the fix; returns any other error unchanged. */
export function explain(vendor: Explained, error: unknown, window?: BillWindow): unknown {
  if (error instanceof SpendfuseError) return error;
  const fault = faultOf(error);
  const what = window === undefined ? "" : ` (${describeWindow(window)})`;
  if (fault === undefined) {
    if (!(error instanceof TypeError || error instanceof RangeError)) return error;
    const message = `${vendor.title} sent an invalid report${what}: ${error.message}. None of it was stored: run this again later, and report it to us if it stays`;
    return new SpendfuseError("SPENDFUSE_VENDOR", message, { vendor: vendor.name }, error);
  }
  const facts = { vendor: vendor.name, status: fault.status };
  return new SpendfuseError("SPENDFUSE_VENDOR", `${vendor.title} ${describeFault(vendor, fault)}${what}`, facts, error);
}

function describeFault({ variable, needs }: Explained, { status, message }: VendorFault): string {
  if (status === undefined)
    return `cannot be reached: ${message}; check the network and the proxy, then run this again`;
  if (status === 401) return `does not accept ${variable} (401 ${message}): it must be ${needs}`;
  if (status === 403) return `does not let ${variable} read this (403 ${message}): it must be ${needs}`;
  if (status === 429)
    return `limits us (429 ${message}): run this again later, or leave it to spendfuse poll --every 5m`;
  if (status >= 500)
    return `answered with a server error (${status} ${message}): run this again later; it goes on where it stopped`;
  return `refuses the request (${status} ${message}): check that ${variable} is ${needs}`;
}

function isoDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
