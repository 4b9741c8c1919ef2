import { setInterval, setTimeout } from "node:timers";
import type { Attempts, settleLate as SettleLate } from "../billing/late/settle-late.ts";
import type { LateReports, LateVendor } from "../billing/late/vendors/late-vendor.ts";
import type { Config } from "../config/config.ts";
import type { Faults } from "../core/faults.ts";
import type { LateSettlement } from "../core/late/late-call.ts";
import type { Ledger } from "../core/ledger.ts";
import type { Instruments } from "../meter/metrics/instruments.ts";
import { untraced } from "../meter/tracing/otel-global.ts";
import { writeSettleSpan } from "../meter/tracing/settle-span.ts";
import type { PriceQueue } from "../pricing/queue.ts";
import type { Store } from "../stores/store.ts";
import type { LateCalls, PendingCall } from "./late-calls.ts";

/**
 * Corrects this process's calls once they have settled, whoever settled them. With `billing.settle` it asks the vendors
 * itself.
 */
export interface Settler {
  /** Looks now. Never rejects. */
  settle(): Promise<void>;
  close(): void;
}

export interface SettlerOptions {
  readonly late: LateCalls;
  /** Unique id of this process. */
  readonly holder: string;
  readonly config: Config;
  readonly faults: Faults;
  readonly ledger: Ledger;
  readonly instruments: Instruments;
  readonly prices: PriceQueue;
  /** Undefined while it is not open. */
  readonly store: () => Store | undefined;
  readonly say: (message: string) => void;
  readonly clock?: () => number;
}

type Reader = (now: number) => Promise<void>;

interface SettlerState {
  readonly options: SettlerOptions;
  readonly clock: () => number;
  /** Asks the vendors; made when there is something to ask. */
  reader: Promise<Reader> | undefined;
  running: Promise<void> | undefined;
}

const CHECK_MS = 10_000;
/** Calls that are this old do not settle any more. */
const LATE_MS = 27 * 3_600_000;
const LOOKED_UP = 500;

export function createSettler(options: SettlerOptions): Settler {
  const state: SettlerState = { options, clock: options.clock ?? Date.now, reader: undefined, running: undefined };
  const timer = setInterval(() => void settle(state), CHECK_MS);
  timer.unref();
  return {
    settle: () => settle(state),
    close: () => clearInterval(timer),
  };
}

function settle(state: SettlerState): Promise<void> {
  state.running ??= run(state)
    .catch((error) => state.options.faults.report("settle", error))
    .finally(() => {
      state.running = undefined;
    });
  return state.running;
}

async function run(state: SettlerState): Promise<void> {
  const { late, store, config, faults } = state.options;
  const opened = store();
  if (late.pending.size === 0 || opened === undefined) return;
  const now = state.clock();
  if (config.billing?.settle === true) {
    state.reader ??= openReader(state);
    const read = await state.reader;
    await read(now).catch((error) => faults.report("settle", error));
  }
  await applyAll(state, opened);
  for (const [id, { call }] of late.pending) if (call.endedAt < now - LATE_MS) late.drop(id);
}

/** Corrects what has settled in the store. */
async function applyAll(state: SettlerState, store: Store): Promise<void> {
  const { late, faults } = state.options;
  const pending = [...late.pending.values()];
  for (let at = 0; at < pending.length; at += LOOKED_UP) {
    const some = pending.slice(at, at + LOOKED_UP);
    const settlements = await store.settlements(some.map(({ call }) => call));
    for (const [index, settlement] of settlements.entries()) {
      const one = some[index] as PendingCall;
      if (settlement === undefined || !late.pending.has(one.call.id)) continue;
      late.drop(one.call.id);
      faults.guard("settle", () => apply(state.options, one, settlement));
    }
  }
}

/** Metrics get the correction from the one who settled the call: the poller publishes its own. */
function apply(
  { ledger, instruments, holder }: SettlerOptions,
  pending: PendingCall,
  settlement: LateSettlement,
): void {
  const { call, node, ticket, span, entry } = pending;
  const { usage, costNano } = settlement;
  ledger.correct(node, entry, { calls: entry.calls, cost: costNano, usage, unknown: false }, call.endedAt);
  ticket?.correct({ tokens: usage.input + usage.output, costNano });
  if (settlement.by === holder) instruments.correct(call, settlement);
  if (span !== undefined) writeSettleSpan(span, call, settlement);
}

/** Loads what reads vendors, which is not on the agent's path. */
async function openReader(state: SettlerState): Promise<Reader> {
  const { config, say } = state.options;
  const { readLateAccess } = await import("../billing/late/late-round.ts");
  const { settleLate } = await import("../billing/late/settle-late.ts");
  const attempts: Attempts = new Map();
  const open = readLateAccess(config.env).map(({ vendor, key, url }): Asked => {
    const reports = vendor.open({ key, url, env: config.env, onServerTime: () => {}, now: state.clock });
    return { vendor, reports, refused: false };
  });
  if (open.length === 0) say("billing.settle is on, but no vendor's key is in the environment: see docs/billing.md");
  return async (now) => {
    await state.options.prices.loaded();
    for (const asked of open) if (!asked.refused) await readVendor(state, asked, settleLate, attempts, now);
  };
}

/** A vendor that is asked. */
interface Asked {
  readonly vendor: LateVendor;
  readonly reports: LateReports;
  refused: boolean;
}

async function readVendor(
  { options, clock }: SettlerState,
  asked: Asked,
  settleLate: typeof SettleLate,
  attempts: Attempts,
  now: number,
): Promise<void> {
  const { config, store, prices, holder, faults, say } = options;
  const { vendor, reports } = asked;
  const target = store();
  if (target === undefined) return;
  try {
    await untraced(() =>
      settleLate({
        store: target,
        vendor,
        reports,
        price: prices.price,
        aliases: config.billing?.keys ?? {},
        now: clock,
        patience: { sleep, random: Math.random },
        at: now,
        by: holder,
        attempts,
        onInvalid: (error) => faults.report("settle", error),
        isOurs: ({ id }) => id.startsWith(`${holder}/`),
      }),
    );
  } catch (error) {
    faults.report("settle", error);
    if (!isRefusal(error)) return;
    asked.refused = true;
    say(`calls of ${vendor.title} do not settle: ${(error as Error).message}`);
  }
}

/** The key is wrong, and stays so. */
function isRefusal(error: unknown): boolean {
  const { facts } = (error ?? {}) as { readonly facts?: { readonly status?: number } };
  return facts?.status === 401 || facts?.status === 403;
}

/** Does not keep a process alive. */
function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
