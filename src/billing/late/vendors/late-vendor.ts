import type { LateFigures } from "../../../core/late/late-call.ts";
import type { MinuteSums } from "../../../core/late/minute.ts";
import type { OpenOptions, VendorName } from "../../vendors/vendor.ts";

/** What a vendor counted in one minute of one key, model and tier. */
export interface VendorMinute extends Readonly<Omit<MinuteSums, "webSearches">> {
  /** Start of the minute, in milliseconds since the epoch. */
  readonly minute: number;
  /** The vendor's id of the key. */
  readonly key: string;
  readonly model: string;
  /** Empty when the vendor names none. */
  readonly tier: string;
  /** Absent when the vendor does not count them here. */
  readonly webSearches?: number;
}

/**
 * A vendor's account, read with one key. Its methods reject with errors in the form of an SDK's, and with a TypeError,
 * RangeError or SyntaxError for an answer that cannot be right.
 */
export interface LateReports {
  /** Of one call, by the id of its response; undefined while the vendor does not know it. */
  call?(responseId: string): Promise<LateFigures | undefined>;
  /**
   * Of the minutes from `from` (inclusive) to `until` (exclusive), at most a day; undefined when this account cannot be
   * read by the minute.
   */
  minutes?(from: number, until: number): Promise<readonly VendorMinute[] | undefined>;
  /** The names of keys: needed with `minutes`. */
  names?(): Promise<readonly VendorName[]>;
}

/**
 * A vendor that says, some time later, what a call came to that broke off. To add one, write a file beside this one and
 * give it a line in `registry.ts`. Agents load it too: it needs no vendor's SDK.
 */
export interface LateVendor {
  /** The file's name. */
  readonly name: string;
  /** Display name. */
  readonly title: string;
  /** The providers whose calls it settles, by their OpenTelemetry names. */
  readonly providers: readonly string[];
  /** The variables of keys that may read it, of which the first that is set is used, and which kind of key it must be. */
  readonly variables: readonly string[];
  readonly needs: string;
  /** The variable of {@link OpenOptions.url}. */
  readonly urlVariable: string;
  open(options: OpenOptions): LateReports;
}

/** A count in a report. @throws RangeError for what is no count, or more than `most` */
export function countIn(value: unknown, what: string, most = Number.MAX_SAFE_INTEGER): number {
  if (value === undefined || value === null) return 0;
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > most)
    throw new RangeError(`"${what}" is ${JSON.stringify(value)}, which is no count`);
  return value as number;
}
