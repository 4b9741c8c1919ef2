import { POLLER } from "../../core/late/late-call.ts";
import type { Store } from "../../stores/store.ts";
import type { Book } from "../book.ts";
import { createVendorClock } from "../clock.ts";
import type { PointSink } from "../points.ts";
import type { OpenOptions } from "../vendors/vendor.ts";
import { nextRoundAt, publishCorrections } from "./late-points.ts";
import { type Attempts, type LateOptions, type LateRound, settleLate } from "./settle-late.ts";
import type { LateVendor } from "./vendors/late-vendor.ts";
import * as registry from "./vendors/registry.ts";

/** A vendor whose late figures are read, and with which key. */
export interface LateAccess {
  readonly vendor: LateVendor;
  readonly key: string;
  readonly url: string | undefined;
}

export interface LateRoundOptions extends Pick<LateOptions, "store" | "price" | "aliases" | "patience"> {
  readonly store: Pick<Store, "late" | "settle">;
  readonly book: Book;
  readonly vendors: readonly LateAccess[];
  readonly env: OpenOptions["env"];
  readonly sinks: readonly PointSink[];
  readonly now: () => number;
  /** Kept from round to round. */
  readonly attempts: Attempts;
  readonly say: (message: string) => void;
}

/** What a round has settled at one vendor. */
export interface LateResult {
  readonly vendor: LateVendor;
  readonly round: LateRound | undefined;
  readonly errors: readonly unknown[];
}

/** The vendors whose late figures can be read with the keys that are set. @param only their names; all when absent */
export function readLateAccess(env: OpenOptions["env"], only?: readonly string[]): readonly LateAccess[] {
  return Object.values(registry).flatMap((vendor) => {
    const key = vendor.variables.map((name) => env[name]?.trim()).find((value) => value);
    if (!key || only?.includes(vendor.name) === false) return [];
    return [{ vendor, key, url: env[vendor.urlVariable]?.trim() || undefined }];
  });
}

/** Settles what vendors say more about, and publishes the corrections. Vendors fail independently. */
export async function runLateRound(
  options: LateRoundOptions,
): Promise<{ readonly results: readonly LateResult[]; readonly points: number; readonly errors: readonly unknown[] }> {
  const { book, store, now } = options;
  const at = nextRoundAt(book, now());
  const results: LateResult[] = [];
  for (const access of options.vendors) results.push(await settleOne(options, access, at));
  const errors: unknown[] = [];
  let points = 0;
  for (const sink of options.sinks)
    try {
      points += await publishCorrections(book, sink, store, now());
    } catch (error) {
      errors.push(error);
    }
  return { results, points, errors };
}

async function settleOne(options: LateRoundOptions, access: LateAccess, at: number): Promise<LateResult> {
  const { vendor, key, url } = access;
  const { env, say, store, price, aliases, patience, attempts } = options;
  const clock = createVendorClock(options.now);
  try {
    const reports = vendor.open({ key, url, env, onServerTime: clock.observe, now: clock.now });
    const round = await settleLate({
      store,
      vendor,
      reports,
      price,
      aliases,
      now: clock.now,
      patience,
      at,
      by: POLLER,
      attempts,
      onInvalid: (error) =>
        say(`${vendor.title} gave an answer about late calls that cannot be right: ${(error as Error).message}`),
    });
    return { vendor, round, errors: [] };
  } catch (error) {
    return { vendor, round: undefined, errors: [error] };
  }
}
