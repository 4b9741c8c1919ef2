import { setInterval, setTimeout } from "node:timers";
import type { LateReports, Vendor } from "../billing/vendors/vendor.ts";
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
  const { config, store, prices, holder, faults, say } = state.options;
  const { readLateAccess, openReports } = await import("../billing/late/late-round.ts");
  const { settleLate } = await import("../billing/late/settle-late.ts");
  const vendors: readonly Vendor[] = Object.values(await import("../billing/vendors/registry.ts"));
  const accesses = readLateAccess(vendors, config.env);
  if (accesses.length === 0)
    say("billing.settle is on, but no vendor's key is in the environment: see docs/billing.md");
  const opened = new Map<string, Promise<LateReports>>();
  const attempts = new Map();
  const broken = new Set<string>();

  return async (now) => {
    const target = store();
    if (target === undefined) return;
    await prices.loaded();
    for (const { vendor, late, key, url } of accesses) {
      if (broken.has(vendor.name)) continue;
      let reports = opened.get(vendor.name);
      if (reports === undefined) {
        const env = config.env;
        reports = openReports(vendor, late, { key, url, env, onServerTime: () => {}, now: state.clock });
        opened.set(vendor.name, reports);
      }
      try {
        const ready = await reports;
        await untraced(() =>
          settleLate({
            store: target,
            vendor,
            reports: ready,
            price: prices.price,
            aliases: config.billing?.keys ?? {},
            now: state.clock,
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
        // A missing package or a refused key stays so.
        if (isLasting(error)) {
          broken.add(vendor.name);
          say(`calls of ${vendor.title} are not settled: ${(error as Error).message}`);
        }
      }
    }
  };
}

function isLasting(error: unknown): boolean {
  const { code, status, facts } = (error ?? {}) as {
    readonly code?: string;
    readonly status?: number;
    readonly facts?: { readonly status?: number };
  };
  const refused = status ?? facts?.status;
  return code === "SPENDFUSE_MISSING_PACKAGE" || refused === 401 || refused === 403;
}

/** Does not keep a process alive. */
function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
