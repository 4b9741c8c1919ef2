import { decimalUsd, type Nano } from "../../core/money.ts";
import type { BillRow, Charge, VendorUsage } from "../reconcile/bill.ts";

export const DAY_MS = 86_400_000;

/** One report of a vendor's API, read a window of days at a time. */
export interface Report {
  /** With the width of its buckets: `costs 1d`. */
  readonly name: string;
  /** Maximum days per window. */
  readonly days: number;
  /** The first day that can be read, in milliseconds since the epoch. */
  readonly earliest: (now: number) => number;
  /** Times that no window may span, because the vendor requires another query before them. */
  readonly seams?: readonly number[];
  /** The vendor only reports days that are over. */
  readonly completeOnly?: boolean;
  /** Reports whose rows of the same days this one replaces. */
  readonly supersedes?: readonly string[];
}

/** A part of a report that is read as one. Milliseconds since the epoch; `until` is exclusive. */
export interface BillWindow {
  readonly report: string;
  readonly from: number;
  readonly until: number;
}

export interface Page {
  readonly rows: readonly BillRow[];
  /** The cursor of the next page; undefined on the last. */
  readonly next: string | undefined;
  /** Why rows of the response are left out, one text each: they cannot be read. Absent for none. */
  readonly unread?: readonly string[];
  /** Starts of the buckets in the response; absent when it covers the whole window. */
  readonly buckets?: readonly number[];
}

/** A project, workspace or key, by the id that is on the bill. */
export interface VendorName {
  readonly kind: "project" | "key";
  readonly id: string;
  readonly name: string;
  /** The name of the same key in the meter, where the vendor's own data prove it. */
  readonly meteredKey?: string;
}

/** A cap of the vendor's own. */
export interface VendorCap {
  /** `organization`, or a project, workspace, key. */
  readonly scope: string;
  readonly id: string;
  readonly nano: Nano;
  readonly per: "day" | "week" | "month" | "ever";
  /** `stops` refuses calls, `tells` sends an email. */
  readonly effect: "stops" | "tells" | "off";
}

/** A vendor's account, read with one key. Its methods may reject with the SDK's errors. */
export interface VendorAccount {
  /** The organization; rows of different ones are kept apart. */
  readonly org: string;
  reports(): readonly Report[];
  /** Everything that a page depends on besides its cursor: a cursor is invalid for another query. */
  query(window: BillWindow): unknown;
  /** `replan`: the vendor requires another query before some time, which `reports` now includes as a seam. */
  read(window: BillWindow, cursor: string | undefined): Promise<Page | "replan">;
  names(): Promise<readonly VendorName[]>;
  caps(): Promise<readonly VendorCap[]>;
}

export interface OpenOptions {
  readonly key: string;
  /** Replaces the vendor's own address: a proxy, a test. */
  readonly url: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called with the vendor's time at each response, in milliseconds since the epoch. */
  readonly onServerTime: (ms: number) => void;
  readonly now: () => number;
}

/** A vendor whose bill can be read. To add one, write a file beside this one and give it a line in `registry.ts`. */
export interface Vendor {
  /** The file's name. */
  readonly name: string;
  /** Display name. */
  readonly title: string;
  /** The providers whose calls it bills, by their OpenTelemetry names. */
  readonly providers: readonly string[];
  /** The environment variable of the key, and which kind of key it must be. */
  readonly variable: string;
  readonly needs: string;
  /** The variable of {@link OpenOptions.url}. */
  readonly urlVariable: string;
  /** Days that are read again with each poll, because the vendor restates them. */
  readonly trailingDays: number;
  /** How long after a day's end the vendor may still add to it, in milliseconds. */
  readonly lateMs: number;
  /** Service tiers whose calls are not on this bill. */
  readonly unbilledTiers: ReadonlySet<string>;
  /** Loads the vendor's SDK. @throws SpendfuseError `SPENDFUSE_MISSING_PACKAGE` */
  open(options: OpenOptions): Promise<VendorAccount>;
  /** What a row bills; undefined for a row about usage. Pure, so that stored rows benefit from later fixes. */
  charge(row: BillRow): Charge | undefined;
  /** What a row counts; undefined for a row about money. */
  usage(row: BillRow): VendorUsage | undefined;
}

/** A fetch for an SDK that reports the vendor's time. */
export function watchClock(onServerTime: (ms: number) => void): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    const date = Date.parse(response.headers.get("date") ?? "");
    if (!Number.isNaN(date)) onServerTime(date);
    return response;
  };
}

/** @throws TypeError when an answer does not have a list where one must be: an error page must never count as "no rows" */
export function listOf<T>(value: readonly T[] | undefined | null, what: string): readonly T[] {
  if (!Array.isArray(value)) throw new TypeError(`the answer has no list "${what}": it is no report`);
  return value;
}

/** The rows of an answer, and why others of it are none. */
export interface ReadRows {
  readonly rows: BillRow[];
  readonly unread: string[];
}

/**
 * Adds the rows of a list to `read`. One that is malformed costs no other: a bill that is too low by one row, and says so,
 * is of more use than none.
 */
export function readRows<T>(read: ReadRows, items: readonly T[], rowOf: (item: T) => BillRow): void {
  for (const item of items) {
    try {
      const row = rowOf(item);
      if (Number.isNaN(row.start)) throw new RangeError("it has no time");
      for (const nano of [row.nano, row.listNano])
        if (nano !== undefined && BigInt.asIntN(64, nano) !== nano)
          throw new RangeError(`too large an amount of money: ${decimalUsd(nano)} USD`);
      for (const [name, count] of Object.entries(row.counts ?? {}))
        if (!Number.isFinite(count)) throw new RangeError(`${name} is not a number: ${String(count)}`);
      read.rows.push(row);
    } catch (error) {
      read.unread.push((error as Error).message);
    }
  }
}

/** @throws TypeError when no row of an answer could be read: then it is no report */
export function pageOf({ rows, unread }: ReadRows, rest: Omit<Page, "rows" | "unread">): Page {
  if (rows.length === 0 && unread[0] !== undefined) throw new TypeError(unread[0]);
  return { ...rest, rows, ...(unread.length > 0 && { unread }) };
}

/** The days of buckets; of one without a time nothing is known to be read. */
export function daysOf(starts: readonly number[]): readonly number[] {
  return starts.filter((start) => !Number.isNaN(start)).map(dayOf);
}

export function dayOf(ms: number): number {
  return ms - (((ms % DAY_MS) + DAY_MS) % DAY_MS);
}
