import type { LateCall, LateFigures, LateSettlement } from "../../core/late/late-call.ts";
import type { Store } from "../../stores/store.ts";
import { ask, faultOf } from "../ask.ts";
import { explain } from "../poll.ts";
import { type MinuteOptions, type Settle, settleByMinute } from "./settle-by-minute.ts";

export interface LateOptions extends MinuteOptions {
  readonly store: Pick<Store, "late" | "settle">;
  /** `at` and `by` of the settlements. */
  readonly at: number;
  readonly by: string;
  readonly attempts: Attempts;
  /** Which calls to settle by their id; all when absent. */
  readonly isOurs?: (call: LateCall) => boolean;
}

/** What one round has settled, and what is still marked as estimated. */
export interface LateRound {
  readonly settled: readonly (readonly [LateCall, LateSettlement])[];
  readonly open: number;
}

/** When to ask for a call again, by its id. */
export type Attempts = Map<string, { readonly count: number; readonly next: number }>;

/** Older calls stay estimated. */
export const LATE_MS = 26 * 3_600_000;
/** A vendor needs some time to know a call. */
const YOUNG_MS = 120_000;
const YOUNG_TRIES = 4;
const FIRST_RETRY_MS = 500;
const RETRY_MS = 60_000;
const MAX_RETRY_MS = 6 * 3_600_000;
/** Calls asked for in one round. */
const MAX_ASKED = 200;
const MAX_ATTEMPTS = 20_000;

/**
 * Asks a vendor what became of the calls that it did not report, and settles them, each once.
 * @throws SpendfuseError `SPENDFUSE_VENDOR` when the vendor refuses, `SPENDFUSE_STORE`; what was settled before stays.
 */
export async function settleLate(options: LateOptions): Promise<LateRound> {
  const { store, vendor, reports, isOurs = () => true } = options;
  const now = options.now();
  const kept = await store.late(now - LATE_MS, now + 60_000);
  const all = kept.calls
    .filter(({ group, endedAt }) => vendor.providers.includes(group.provider) && endedAt <= now)
    // Stores keep no order, and shares must be the same in each round.
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const open = all.filter((call) => !kept.settlements.has(call.id) && call.endedAt > now - LATE_MS && isOurs(call));
  const settled: (readonly [LateCall, LateSettlement])[] = [];
  const settle = async (call: LateCall, figures: LateFigures): Promise<void> => {
    const settlement: LateSettlement = { ...figures, id: call.id, at: options.at, by: options.by };
    options.attempts.delete(call.id);
    if (await store.settle(call, settlement)) settled.push([call, settlement]);
  };
  try {
    if (open.length > 0 && reports.call !== undefined) await settleByCall(options, open, settle);
    if (open.length > 0 && reports.minutes !== undefined) await settleByMinute(options, kept, all, open, settle);
  } catch (error) {
    throw explain({ ...vendor, variable: vendor.variables.join(" or ") }, error);
  }
  return { settled, open: open.length - settled.length };
}

async function settleByCall(options: LateOptions, open: readonly LateCall[], settle: Settle): Promise<void> {
  const { attempts } = options;
  const due = open.filter(({ id, responseId }) => responseId !== "" && (attempts.get(id)?.next ?? 0) <= options.now());
  // The newest first: what an older one has to say has been said.
  const asked = due.sort((a, b) => b.endedAt - a.endedAt).slice(0, MAX_ASKED);
  for (const call of asked) {
    const figures = await askForCall(options, call);
    if (figures !== undefined) await settle(call, figures);
    else defer(attempts, call.id, options.now());
  }
}

/** A young call is asked for several times, because the vendor knows it a moment later. */
async function askForCall({ reports, patience, now, onInvalid }: LateOptions, call: LateCall) {
  const tries = now() - call.endedAt < YOUNG_MS ? YOUNG_TRIES : 1;
  for (let attempt = 1; ; attempt++) {
    try {
      const figures = await ask(async () => reports.call?.(call.responseId), patience);
      if (figures !== undefined || attempt >= tries) return figures;
    } catch (error) {
      if (faultOf(error) !== undefined) throw error;
      onInvalid(error);
      return undefined;
    }
    await patience.sleep(FIRST_RETRY_MS * 2 ** (attempt - 1));
  }
}

function defer(attempts: Attempts, id: string, now: number): void {
  const count = (attempts.get(id)?.count ?? 0) + 1;
  if (attempts.size >= MAX_ATTEMPTS) attempts.clear();
  attempts.set(id, { count, next: now + Math.min(RETRY_MS * 2 ** (count - 1), MAX_RETRY_MS) });
}
