import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers";
import type { Config } from "../config/config.ts";
import { isSpendfuseError } from "../core/errors.ts";
import { readDuration } from "../core/period.ts";
import type { ScopeNode } from "../core/scope.ts";
import type { Approve } from "../guard/approval.ts";
import type { Blocked } from "../guard/blocked.ts";
import type { Count } from "../guard/budgets/budget-counter.ts";
import { createGauges, type GaugeReading } from "../guard/gauges.ts";
import { createGuard, type Guard } from "../guard/guard.ts";
import { createRefusal } from "../guard/refusal.ts";
import type { RepeatRule } from "../guard/repeats.ts";
import { blockedUnknown } from "../guard/verdict.ts";
import type { Ask, Gate, Passage } from "../limits/gate.ts";
import { DEFAULT_STORE, shownStore } from "../stores/addresses.ts";
import { openMemory } from "../stores/memory.ts";
import { type Store, within } from "../stores/store.ts";

/** The guard of a process, its store, and its connection to a breaker. */
export interface Enforcement {
  readonly gate: Gate;
  gauges(): readonly GaugeReading[];
  /** Resolves when store, feed and breaker are up; rejects with the first error. */
  readonly ready: Promise<void>;
  /** The counts of this process's budgets. */
  readonly counts: Iterable<Count>;
  /** Undefined while it is not open. */
  store(): Store | undefined;
  /** Where the breaker inside this process listens. */
  breakerUrl(): string | undefined;
  /** Releases what is held and disconnects. Never rejects. */
  close(): Promise<void>;
}

export interface EnforcementOptions {
  readonly config: Config;
  readonly instance: () => string;
  readonly approvers: ReadonlySet<Approve>;
  readonly say: (message: string) => void;
  readonly onRefused: (node: ScopeNode, blocked: Blocked, mode: string) => void;
  readonly onFault: (error: unknown) => void;
}

const TIMEOUT_MS = 50;
const REOPEN_MS = 5_000;
/** How often a lasting fault is logged. */
const REPORT_MS = 30_000;

/** Whether the configuration asks for a guard at all: without one, calls are only metered. */
export function isGuarded({ caps, breaker, store, mode, repeats }: Config): boolean {
  const asked = breaker !== undefined || store !== undefined || mode !== undefined || repeats !== undefined;
  return mode !== "off" && (caps.length > 0 || asked);
}

/** The state of a process's guard; the second half is set while it opens. */
interface EnforcementState {
  readonly options: EnforcementOptions;
  readonly address: string;
  readonly mode: "enforce" | "shadow";
  readonly whenStateUnknown: "open" | "closed";
  readonly timeoutMs: number;
  /** Logs how calls are treated while the store is not open; at most once per interval. */
  readonly reportUnknown: (what: string) => void;
  readonly closers: (() => unknown)[];
  guard: Guard | undefined;
  store: Store | undefined;
  gauges: (() => readonly GaugeReading[]) | undefined;
  breakerUrl: string | undefined;
  closed: boolean;
}

export function openEnforcement(options: EnforcementOptions): Enforcement {
  const { config } = options;
  const state = createState(options);
  const opening =
    state.address === DEFAULT_STORE
      ? Promise.resolve(begin(state, openMemory()))
      : open(state).catch((error) => openAgain(state, error));
  const ready = opening.then((store) => connectBreaker(state, store));
  ready.catch((error) => options.say(`guard failed to start: ${text(error)}`));
  return {
    ready,
    gate: {
      forecasts: config.caps.length > 0,
      cuts: config.cutStreams === true && state.mode === "enforce",
      admit: (ask) => (state.guard === undefined ? waitForGuard(state, opening, ask) : state.guard.admit(ask)),
      charge: (node, spent) => state.guard?.charge(node, spent),
      answered: (answer) => state.guard?.answered(answer) === true,
    },
    gauges: () => state.gauges?.() ?? [],
    get counts() {
      return state.guard?.counts ?? [];
    },
    store: () => state.store,
    breakerUrl: () => state.breakerUrl,
    close: () => close(state, opening),
  };
}

function createState(options: EnforcementOptions): EnforcementState {
  const { config, say } = options;
  const { store: address = DEFAULT_STORE, whenStateUnknown = "open" } = config;
  return {
    options,
    address,
    mode: config.mode === "shadow" ? "shadow" : "enforce",
    whenStateUnknown,
    timeoutMs: readDuration(config.stateTimeout) ?? TIMEOUT_MS,
    reportUnknown: onceIn(REPORT_MS, (what: string) =>
      say(`store ${shownStore(address)} is not open yet: ${what} (whenStateUnknown: "${whenStateUnknown}")`),
    ),
    closers: [],
    guard: undefined,
    store: undefined,
    gauges: undefined,
    breakerUrl: undefined,
    closed: false,
  };
}

/** Starts the guard on a store that is open. */
function begin(state: EnforcementState, store: Store): Store {
  const { mode, options } = state;
  const { config, instance } = options;
  const guard = createGuard({
    budgets: config.caps,
    mode,
    store,
    fed: config.breaker?.url !== undefined,
    whenStateUnknown: state.whenStateUnknown,
    unpriced: config.unpriced ?? "allow",
    cutStreams: config.cutStreams === true,
    repeats: repeatRule(config),
    timeoutMs: state.timeoutMs,
    holder: randomUUID(),
    instance,
    approvers: options.approvers,
    say: options.say,
    onRefused: options.onRefused,
    onFault: options.onFault,
  });
  const { circuits, counts } = guard;
  state.guard = guard;
  state.store = store;
  state.gauges = createGauges(() => circuits.open, counts, { mode, isUnknown: circuits.isUnknown }, instance);
  return store;
}

async function open(state: EnforcementState): Promise<Store> {
  const { openStore } = await import("../stores/open.ts");
  return begin(state, await openStore(state.address));
}

/** Tries again later where the store could not be reached; an address that is wrong stays wrong. */
function openAgain(state: EnforcementState, error: unknown): never {
  if (!isSpendfuseError(error) || error.code === "SPENDFUSE_STORE") {
    setTimeout(() => {
      if (state.closed) return;
      open(state)
        .catch((again) => openAgain(state, again))
        .catch(() => {});
    }, REOPEN_MS).unref();
  }
  throw error;
}

/** Follows the breaker's feed, and starts a breaker inside this process, as far as the configuration asks for them. */
async function connectBreaker(state: EnforcementState, store: Store): Promise<void> {
  const { guard, closers, options } = state;
  const { breaker } = options.config;
  if (breaker?.url !== undefined && guard !== undefined) {
    const { listen } = await import("../guard/circuits/feed.ts");
    const failed = (error: unknown): void =>
      options.say(`cannot connect to the breaker at ${breaker.url}: ${text(error)}`);
    closers.push((await listen(breaker.url, guard.circuits.feed, onceIn(REPORT_MS, failed))).close);
  }
  if (breaker?.port !== undefined) await serve(state, store, breaker.port);
}

async function serve(state: EnforcementState, store: Store, port: number): Promise<void> {
  const { config, say } = state.options;
  const { startBreaker } = await import("../breaker/server.ts");
  const { SPENDFUSE_WEBHOOK_SECRET: secrets = "", SPENDFUSE_OPERATOR_TOKEN: token } = config.env;
  const ttlMs = readDuration(config.breaker?.ttl);
  const server = await startBreaker({
    store,
    port,
    ...(config.breaker?.host !== undefined && { host: config.breaker.host }),
    webhookSecrets: secrets.split(",").flatMap((secret) => secret.trim() || []),
    ...(token && { operatorToken: token }),
    ...(ttlMs !== undefined && { ttlMs }),
    say,
  });
  // The breaker must not keep an app alive that has finished.
  server.unref();
  state.breakerUrl = server.url;
  state.closers.push(() => server.close());
}

/** Decides on a call that is made before the store is open. */
async function waitForGuard(state: EnforcementState, opening: Promise<unknown>, ask: Ask): Promise<Passage> {
  const { mode, options } = state;
  await within(opening, state.timeoutMs).catch(() => {});
  if (state.guard !== undefined) return state.guard.admit(ask);
  if (state.whenStateUnknown === "open" || mode === "shadow") {
    state.reportUnknown("calls are allowed unchecked");
    return { pass: true, ticket: undefined };
  }
  state.reportUnknown("calls are refused");
  const blocked = blockedUnknown("budget", `agent:${ask.node.scope.agent}`);
  options.onRefused(ask.node, blocked, mode);
  return { pass: false, refusal: () => createRefusal(blocked, ask.refusal) };
}

async function close(state: EnforcementState, opening: Promise<unknown>): Promise<void> {
  state.closed = true;
  await opening.catch(() => {});
  for (const closer of state.closers) await closer();
  await state.guard?.close();
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
