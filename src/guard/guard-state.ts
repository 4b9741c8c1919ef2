import type { ScopeNode } from "../core/scope.ts";
import type { Budget } from "../limits/budget.ts";
import type { Circuit } from "../limits/circuit.ts";
import { hasLadder, hasThrottle } from "../limits/ladder.ts";
import { RELOAD_KEY, type Store } from "../stores/store.ts";
import type { Approve } from "./approval.ts";
import type { Blocked } from "./blocked.ts";
import { type Count, capOf, keyOf, totalOf } from "./budgets/budget-counter.ts";
import { type BudgetLease, createLease, reassert, recall } from "./budgets/budget-lease.ts";
import { type Budgets, createBudgets, dropCount } from "./budgets/budgets.ts";
import { createReservations, type Reservations } from "./budgets/reservations.ts";
import { type CircuitCache, covers, createCircuitCache } from "./circuits/circuit-cache.ts";
import { createTrips, type Trips } from "./circuits/trips.ts";
import { createNotices, type Notices } from "./notices.ts";
import type { RaiseWith } from "./refusal.ts";
import { createRefusalLog, type RefusalLog } from "./refusal-log.ts";
import { createRepeats, type RepeatRule, type Repeats } from "./repeats.ts";
import { blockedByBudget, blockedByCircuit } from "./verdict.ts";
import type { Waiting } from "./waiting.ts";

export interface GuardOptions {
  readonly budgets: readonly Budget[];
  readonly mode: "enforce" | "shadow";
  readonly store: Store;
  /** Whether circuits also come from a breaker's feed. */
  readonly fed: boolean;
  /** Whether calls are allowed (`open`) or refused (`closed`) when the state cannot be read in time. */
  readonly whenStateUnknown: "open" | "closed";
  /** How long calls wait for a spent budget or a paused scope, in milliseconds; absent: they are refused at once. */
  readonly waitMs?: number | undefined;
  readonly unpriced: "allow" | "refuse";
  /** Whether streams in progress are ended when their budget is spent or their circuit opens. */
  readonly cutStreams?: boolean;
  readonly repeats?: RepeatRule | undefined;
  /** How long a call waits for the store, in milliseconds. */
  readonly timeoutMs: number;
  /** How long the first calls wait until the circuits are known, in milliseconds since the guard was created. */
  readonly openTimeoutMs?: number;
  /** Names of the store and, if there is one, the breaker, for messages. */
  readonly sources?: string;
  /** How budgets are raised while the process runs; they cannot be without it. */
  readonly raise?: RaiseWith | undefined;
  /** Unique id of this process, never reused, not even after a restart. */
  readonly holder: string;
  /** The run of calls whose scope names none; the holder without it. */
  readonly run?: string;
  /** Name of this process for people: in the log, as the source of a trip. */
  readonly processName: () => string;
  readonly approvers: ReadonlySet<Approve>;
  readonly clock?: () => number;
  /** How long this process counts as alive after its last report, in milliseconds. */
  readonly leaseMs?: number;
  readonly say: (message: string) => void;
  /** An operator wants the configuration to be read again. */
  readonly onReload?: () => void;
  /** A call was refused, or would have been. */
  readonly onRefused: (node: ScopeNode, blocked: Blocked, mode: "enforce" | "shadow") => void;
  readonly onFault: (error: unknown) => void;
}

/** The parts of a guard, which each step of a check is given. */
export interface GuardState {
  readonly options: GuardOptions;
  readonly clock: () => number;
  /** Whether streams may be cut. */
  readonly cuts: boolean;
  /** Until when first calls wait for the circuits, in milliseconds of `performance.now()`. */
  readonly openUntil: number;
  /** Whether a budget keeps a reserve for calls inside `finalise()`. */
  finalises: boolean;
  /** Whether a budget changes requests. */
  climbs: boolean;
  /** Whether a budget slows calls down. */
  throttles: boolean;
  /** Whether calls wait for spent budgets and paused scopes. */
  readonly waits: boolean;
  /** Logs a line at most once per kind and interval. */
  readonly notify: Notices;
  /** Calls that wait; undefined where none ever do. */
  waiting: Waiting | undefined;
  readonly logRefusal: RefusalLog;
  readonly lease: BudgetLease;
  readonly budgets: Budgets;
  readonly reservations: Reservations;
  readonly circuits: CircuitCache;
  readonly trips: Trips;
  readonly repeats: Repeats | undefined;
}

/** How long a call waits for slices to come back from other processes. */
const RECALL_MS = 250;
const LEASE_MS = 10_000;

export function openGuardState(options: GuardOptions): GuardState {
  const { store, clock = Date.now } = options;
  const cuts = options.cutStreams === true && options.mode === "enforce";
  const notify = createNotices(options.say, clock);
  const onFailure = (error: unknown): void => reportStoreFailure(notify, error);
  // Undefined until all of it is made: a store may answer before.
  let state: GuardState | undefined;
  const lease: BudgetLease = createLease({
    store,
    holder: options.holder,
    counts: () => budgets.counts,
    drop: (count) => dropCount(budgets, count),
    clock,
    leaseMs: options.leaseMs ?? LEASE_MS,
    timeoutMs: options.timeoutMs,
    onFailure,
  });
  const budgets: Budgets = createBudgets({
    budgets: options.budgets,
    clock,
    run: options.run ?? options.holder,
    recallMs: RECALL_MS,
    passesUnknown: options.whenStateUnknown === "open" || options.mode === "shadow",
    lease,
    recall: (count) => attempt(() => store.recall(keyOf(count)), onFailure),
    onWarning: (count) => warn(options, count),
    onFull: (count) => {
      if (cuts) cutHolders(reservations, count);
    },
  });
  const reservations = createReservations(budgets, clock, options.raise);
  const circuits = createCircuitCache({
    store,
    fed: options.fed,
    clock,
    onBack: () => reassert(lease),
    onRecall(key) {
      if (key === RELOAD_KEY) options.onReload?.();
      else recall(lease, key);
      state?.waiting?.wake();
    },
    onFailure,
    onChange(circuit) {
      applyCircuit(circuit, cuts ? reservations : undefined, notify);
      state?.waiting?.wake();
    },
  });
  state = {
    options,
    clock,
    cuts,
    openUntil: performance.now() + (options.openTimeoutMs ?? options.timeoutMs),
    finalises: keepsReserve(options.budgets),
    climbs: hasLadder(options.budgets),
    throttles: hasThrottle(options.budgets),
    waits: options.waitMs !== undefined && options.waitMs > 0 && options.mode === "enforce",
    notify,
    logRefusal: createRefusalLog(options),
    lease,
    budgets,
    reservations,
    circuits,
    trips: createTrips({ store, clock, by: options.processName, onFailure }),
    repeats: options.repeats && createRepeats(options.repeats),
    waiting: undefined,
  };
  return state;
}

/** Whether a budget keeps a reserve for calls inside `finalise()`. */
export function keepsReserve(budgets: readonly Budget[]): boolean {
  return budgets.some(({ ordinary, cap }) => ordinary < cap);
}

/** Runs an operation of the store that nobody waits for. */
function attempt(run: () => unknown, onFailure: (error: unknown) => void): void {
  try {
    Promise.resolve(run()).catch(onFailure);
  } catch (error) {
    onFailure(error);
  }
}

export function reportStoreFailure(notify: Notices, error: unknown): void {
  notify("store", `store unavailable: ${error instanceof Error ? error.message : error}`);
}

function warn({ say }: GuardOptions, count: Count): void {
  const { name } = count.budget;
  say(`budget "${name}" of ${count.scope} is ${Math.round((totalOf(count) / capOf(count)) * 100)} % spent`);
}

/** Cuts the streams of the calls that hold some of a budget, all of which is spent. */
function cutHolders(reservations: Reservations, count: Count): void {
  reservations.cut((_, holds) => (holds.some((hold) => hold.count === count) ? blockedByBudget(count) : undefined));
}

/** Logs a circuit that opened, and cuts the streams it covers where `reservations` are given. */
function applyCircuit(circuit: Circuit, reservations: Reservations | undefined, notify: Notices): void {
  if (circuit.state !== "open") return;
  reservations?.cut(({ node }) => (covers(circuit, node) ? blockedByCircuit(circuit) : undefined));
  const until = new Date(circuit.until).toISOString();
  notify(`circuit ${circuit.scope}`, `circuit of ${circuit.scope} opened until ${until}: ${circuit.reason}`);
}
