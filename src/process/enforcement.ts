import type { Config } from "../config/config.ts";
import { readDuration } from "../core/period.ts";
import type { ScopeNode } from "../core/scope.ts";
import type { Approve } from "../guard/approval.ts";
import type { Blocked } from "../guard/blocked.ts";
import type { Count } from "../guard/budgets/budget-counter.ts";
import type { Remaining } from "../guard/budgets/remaining.ts";
import { createGauges, type GaugeReading, type ShowsTag } from "../guard/gauges.ts";
import { createGuard, type Guard } from "../guard/guard.ts";
import type { RaiseWith } from "../guard/refusal.ts";
import type { RepeatRule } from "../guard/repeats.ts";
import type { Budget } from "../limits/budget.ts";
import type { Gate } from "../limits/gate.ts";
import { DEFAULT_STORE, shownStore } from "../stores/addresses.ts";
import { openThreadMemory } from "../stores/memory/threads.ts";
import { openMemory } from "../stores/memory.ts";
import type { Store } from "../stores/store.ts";
import { createLateStore, type LateStore } from "./late-store.ts";

/** The guard of a process, its store, and its connection to a breaker. */
export interface Enforcement {
  readonly gate: Gate;
  gauges(): readonly GaugeReading[];
  /** Resolves when store, feed and breaker are up; rejects with the first error. */
  readonly ready: Promise<void>;
  /** The counts of this process's budgets. */
  readonly counts: Iterable<Count>;
  /** What is left of the budgets that apply to a scope. Never rejects. */
  remaining(node: ScopeNode): Promise<readonly Remaining[]>;
  /** The least that is left of the scope's budgets in USD, as far as this process knows; undefined without one. */
  leftUsd(node: ScopeNode): number | undefined;
  /** Takes the budgets of a configuration that was read again. */
  replaceBudgets(next: readonly Budget[]): void;
  /** Undefined while it is not open. */
  store(): Store | undefined;
  /** Where the breaker inside this process listens. */
  breakerUrl(): string | undefined;
  /** Releases what is held and disconnects. Never rejects. */
  close(): Promise<void>;
}

export interface EnforcementOptions {
  readonly config: Config;
  readonly processName: () => string;
  readonly approvers: ReadonlySet<Approve>;
  readonly say: (message: string) => void;
  /** Reads the configuration again. @throws SpendfuseError `SPENDFUSE_CONFIG` */
  readonly reload: () => string;
  readonly showsTag?: ShowsTag;
  readonly onRefused: (node: ScopeNode, blocked: Blocked, mode: string) => void;
  readonly onFault: (error: unknown) => void;
}

const TIMEOUT_MS = 2_000;
const OPEN_TIMEOUT_MS = 5_000;
/** How often a lasting fault is logged. */
const REPORT_MS = 30_000;

/** Whether the configuration asks for a guard at all: without one, calls are only metered. */
export function isGuarded({ caps, breaker, store, mode, repeats }: Config): boolean {
  const asked = breaker !== undefined || store !== undefined || mode !== undefined || repeats !== undefined;
  return mode !== "off" && (caps.length > 0 || asked);
}

interface EnforcementState {
  readonly options: EnforcementOptions;
  readonly guard: Guard;
  /** Undefined for the memory of the process. */
  readonly late: LateStore | undefined;
  readonly store: Store;
  readonly closers: (() => unknown)[];
  breakerUrl: string | undefined;
  caps: readonly Budget[];
}

export function openEnforcement(options: EnforcementOptions): Enforcement {
  const { config, processName } = options;
  const state = createState(options);
  const { guard, late, store } = state;
  const mode = modeOf(config);
  const { circuits, counts } = guard;
  const shown = { mode, isUnknown: circuits.isUnknown };
  const gauges = createGauges(() => circuits.open, counts, shown, processName, Date.now, options.showsTag);
  const feeding = followFeed(state);
  const opening = late?.ready ?? Promise.resolve(store);
  const ready = Promise.all([opening.then(() => serve(state)), feeding]).then(() => {});
  ready.catch((error) => options.say(`guard failed to start: ${text(error)}`));
  return {
    ready,
    gate: guard,
    gauges,
    counts,
    remaining: guard.remaining,
    leftUsd: guard.leftUsd,
    replaceBudgets(next) {
      state.caps = next;
      guard.replaceBudgets(next);
    },
    store: () => (late === undefined ? store : late.opened),
    breakerUrl: () => state.breakerUrl,
    close: () => close(state),
  };
}

function createState(options: EnforcementOptions): EnforcementState {
  const { config } = options;
  const { store: address = DEFAULT_STORE } = config;
  const openTimeoutMs = readDuration(config.openTimeout) ?? OPEN_TIMEOUT_MS;
  const shown = shownStore(address);
  const late =
    address === DEFAULT_STORE
      ? undefined
      : createLateStore({ open: () => open(address), timeoutMs: openTimeoutMs, shown });
  const store = late ?? openThreadMemory(openMemory);
  const guard = createGuard({
    budgets: config.caps,
    mode: modeOf(config),
    store,
    fed: config.breaker?.url !== undefined,
    whenStateUnknown: config.whenStateUnknown ?? "open",
    unpriced: config.unpriced ?? "allow",
    cutStreams: config.cutStreams === true,
    repeats: repeatRule(config),
    waitMs: readDuration(config.whenSpent?.wait),
    timeoutMs: readDuration(config.stateTimeout) ?? TIMEOUT_MS,
    openTimeoutMs,
    sources: sourcesOf(config, shown),
    raise: raiseWith(config, late !== undefined),
    holder: process.getBuiltinModule("node:crypto").randomUUID(),
    // Threads of a process share its runs as they share its memory.
    ...(late === undefined && { run: "process" }),
    processName: options.processName,
    approvers: options.approvers,
    say: options.say,
    onReload() {
      try {
        options.reload();
      } catch (error) {
        options.say(`configuration not read again, the old one holds: ${text(error)}`);
      }
    },
    onRefused: options.onRefused,
    onFault: options.onFault,
  });
  return { options, guard, late, store, closers: [], breakerUrl: undefined, caps: config.caps };
}

/** How `spendfuse budget raise` reaches the budgets of this process; undefined where only this process knows them. */
function raiseWith({ breaker }: Config, shared: boolean): RaiseWith | undefined {
  if (breaker?.port !== undefined || (shared && breaker?.url !== undefined)) return "breaker";
  return shared ? "store" : undefined;
}

/** What has to answer before a call's state is known, by name. */
function sourcesOf({ breaker, store = DEFAULT_STORE }: Config, shown: string): string {
  const url = breaker?.url === undefined ? undefined : `the breaker at ${shownStore(breaker.url)}`;
  if (store === DEFAULT_STORE && url !== undefined) return url;
  return url === undefined ? `the store ${shown}` : `the store ${shown} or ${url}`;
}

function modeOf({ mode }: Config): "enforce" | "shadow" {
  return mode === "shadow" ? "shadow" : "enforce";
}

async function open(address: string): Promise<Store> {
  const { openStore } = await import("../stores/open.ts");
  return openStore(address);
}

/** Follows the breaker's feed where the configuration names one. */
async function followFeed({ guard, closers, options }: EnforcementState): Promise<void> {
  const url = options.config.breaker?.url;
  if (url === undefined) return;
  const { listen } = await import("../guard/circuits/feed.ts");
  const failed = onceIn(REPORT_MS, (error: unknown) =>
    options.say(`cannot connect to the breaker at ${url}: ${text(error)}`),
  );
  closers.push((await listen(url, guard.circuits.feed, failed)).close);
}

/** Starts a breaker inside this process where the configuration asks for one. */
async function serve(state: EnforcementState): Promise<void> {
  const { config, say } = state.options;
  const port = config.breaker?.port;
  if (port === undefined) return;
  const { startBreaker } = await import("../breaker/server.ts");
  const { SPENDFUSE_WEBHOOK_SECRET: secrets = "", SPENDFUSE_OPERATOR_TOKEN: token } = config.env;
  const ttlMs = readDuration(config.breaker?.ttl);
  const server = await startBreaker({
    store: state.store,
    port,
    ...(config.breaker?.host !== undefined && { host: config.breaker.host }),
    webhookSecrets: secrets.split(",").flatMap((secret) => secret.trim() || []),
    ...(token && { operatorToken: token }),
    ...(ttlMs !== undefined && { ttlMs }),
    ...(config.tags && { tags: config.tags }),
    caps: () => state.caps,
    reload: state.options.reload,
    say,
  });
  // The breaker must not keep an app alive that has finished.
  server.unref();
  state.breakerUrl = server.url;
  state.closers.push(() => server.close());
}

async function close({ closers, guard }: EnforcementState): Promise<void> {
  for (const closer of closers) await closer();
  await guard.close();
}

const REPEAT_TRIP_MS = 15 * 60_000;

function repeatRule({ repeats }: Config): RepeatRule | undefined {
  if (repeats === undefined) return undefined;
  const withinMs = readDuration(repeats.within) ?? 0;
  return { max: repeats.max, withinMs, tripMs: readDuration(repeats.trip) ?? REPEAT_TRIP_MS };
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The same function, throttled: calls within `ms` of the last one that ran are dropped. */
function onceIn<T>(ms: number, run: (value: T) => void): (value: T) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (value) => {
    const now = performance.now();
    if (now - last < ms) return;
    last = now;
    run(value);
  };
}
