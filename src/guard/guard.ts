import type { ScopeNode } from "../core/scope.ts";
import type { Budget } from "../limits/budget.ts";
import { type Circuit, circuitAt } from "../limits/circuit.ts";
import type { Ask, Gate, Passage } from "../limits/gate.ts";
import type { Store } from "../stores/store.ts";
import { type Approval, type Approve, approvalOf } from "./approval.ts";
import type { Blocked } from "./blocked.ts";
import { type Count, keyOf, totalOf } from "./budgets/budget-counter.ts";
import { createShare, type Share } from "./budgets/budget-lease.ts";
import { type Budgets, createBudgets, type Hold, type Taken } from "./budgets/budgets.ts";
import { createReservations } from "./budgets/reservations.ts";
import { type Board, covers, createBoard } from "./circuits/circuit-cache.ts";
import { createTrips } from "./circuits/trips.ts";
import { isFinalising } from "./finalise.ts";
import { createNotices } from "./notices.ts";
import { createRefusal } from "./refusal.ts";
import { createRepeats, type RepeatRule } from "./repeats.ts";
import { readVendorCap } from "./vendor-cap.ts";
import { blockedByBudget, blockedByCircuit, blockedUnknown, blockedUnpriced } from "./verdict.ts";

/** The check before each call: budgets and circuits in, a verdict out. */
export interface Guard extends Gate {
  readonly board: Board;
  readonly counts: Iterable<Count>;
  /** Tells the store everything, and gives back what is held. Never rejects. */
  close(): Promise<void>;
}

export interface GuardOptions {
  readonly budgets: readonly Budget[];
  readonly mode: "enforce" | "shadow";
  readonly store: Store;
  /** Whether circuits also come from a breaker's feed. */
  readonly fed: boolean;
  /** What a call gets when the state cannot be known in time: `open` lets it pass. */
  readonly whenStateUnknown: "open" | "closed";
  readonly unpriced: "allow" | "refuse";
  /** Whether streams under way end when their scope is full or stopped. */
  readonly cutStreams?: boolean;
  readonly repeats?: RepeatRule | undefined;
  /** How long a call waits for the store, in milliseconds. */
  readonly timeoutMs: number;
  /** Names this process; never used by another one, nor after a restart. */
  readonly holder: string;
  /** Who it is for people: in the log, as the source of a trip. */
  readonly instance: () => string;
  readonly approvers: ReadonlySet<Approve>;
  readonly clock?: () => number;
  /** For how long this process counts as alive without a sign of life, in milliseconds. */
  readonly leaseMs?: number;
  readonly say: (message: string) => void;
  /** A call was refused, or would have been. */
  readonly onRefused: (node: ScopeNode, blocked: Blocked, mode: "enforce" | "shadow") => void;
  readonly onFault: (error: unknown) => void;
}

/** Trips of a vendor's own cap, where the vendor does not say when it ends. */
const VENDOR_CAP_MS = 10 * 60_000;
const RECALL_MS = 250;
const LEASE_MS = 10_000;

const PASS: Passage = { pass: true, ticket: undefined };
const NONE: readonly Hold[] = [];

export function createGuard(options: GuardOptions): Guard {
  const { store, mode, timeoutMs, onFault, clock = Date.now } = options;
  const cuts = options.cutStreams === true && mode === "enforce";
  const finalises = options.budgets.some(({ ordinary, cap }) => ordinary < cap);
  const sayAtTimes = createNotices(options.say, clock);

  const share: Share = createShare({
    store,
    holder: options.holder,
    counts: () => budgets.counts,
    clock,
    leaseMs: options.leaseMs ?? LEASE_MS,
    timeoutMs,
    onFailure: storeFailed,
  });
  const budgets: Budgets = createBudgets({
    budgets: options.budgets,
    clock,
    run: options.holder,
    recallMs: RECALL_MS,
    share,
    recall: (count) => void Promise.resolve(store.recall(keyOf(count))).catch(storeFailed),
    onWarning(count) {
      const { name, cap } = count.budget;
      options.say(`budget "${name}" of ${count.scope}: ${Math.round((totalOf(count) / cap) * 100)} % are spent`);
    },
    onFull: (count) =>
      cut((_, holds) => (holds.some((hold) => hold.count === count) ? blockedByBudget(count) : undefined)),
  });
  const reservations = createReservations(budgets, clock);
  const trips = createTrips({ store, clock, by: options.instance, onFailure: storeFailed });
  const repeats = options.repeats && createRepeats(options.repeats);
  const board = createBoard({
    store,
    fed: options.fed,
    clock,
    onBack: () => share.reassert(),
    onRecall: (key) => share.recall(key),
    onFailure: storeFailed,
    onChange: tellChange,
  });

  function storeFailed(error: unknown): void {
    sayAtTimes("store", `the store cannot be asked: ${error instanceof Error ? error.message : error}`);
  }

  function tellChange(circuit: Circuit): void {
    if (circuit.state !== "open") return;
    cut(({ node }) => (covers(circuit, node) ? blockedByCircuit(circuit) : undefined));
    const until = new Date(circuit.until).toISOString();
    sayAtTimes(`circuit ${circuit.scope}`, `circuit of ${circuit.scope} opened until ${until}: ${circuit.reason}`);
  }

  function cut(why: Parameters<typeof reservations.cut>[0]): void {
    if (cuts) reservations.cut(why);
  }

  function pass(ask: Ask, holds: readonly Hold[]): Passage {
    return holds.length === 0 && !cuts ? PASS : { pass: true, ticket: reservations.open(holds, ask, clock()) };
  }

  function force(ask: Ask, holds: readonly Hold[]): Passage {
    budgets.force(holds);
    return pass(ask, holds);
  }

  function holdsOf(ask: Ask): readonly Hold[] {
    const counts = budgets.countsOf(ask.node);
    return counts.length === 0 ? NONE : budgets.holdsOf(counts, ask.forecast());
  }

  function refuse(ask: Ask, blocked: Blocked, holds: readonly Hold[]): Passage | Promise<Passage> {
    if (mode === "shadow") {
      options.onRefused(ask.node, blocked, "shadow");
      return force(ask, holds);
    }
    const refused = (approval: Approval | undefined): Passage => {
      if (approval !== undefined) {
        trips.log({ scope: blocked.scope, what: "approve", by: approval.by, why: approval.why });
        options.say(`a call of ${ask.node.scope.agent} was let pass, though ${blocked.scope} is over: ${approval.why}`);
        return force(ask, holds);
      }
      options.onRefused(ask.node, blocked, "enforce");
      return { pass: false, refusal: () => createRefusal(blocked, ask.refusal) };
    };
    if (options.approvers.size === 0) return refused(undefined);
    const approval = approvalOf(options.approvers, blocked, ask.node.scope, onFault);
    return approval instanceof Promise ? approval.then(refused) : refused(approval);
  }

  /** Nobody can say in time: whether the call may pass all the same. Said aloud, either way. */
  function passesUnknown(reason: "budget" | "circuit"): boolean {
    const passes = options.whenStateUnknown === "open";
    const what = passes ? "calls pass unchecked" : "calls are refused";
    sayAtTimes(
      "unknown",
      `the ${reason} state is not known: ${what} (whenStateUnknown: "${options.whenStateUnknown}")`,
    );
    return passes;
  }

  function checkBudgets(ask: Ask, now: number): Passage | Promise<Passage> {
    const counts = budgets.countsOf(ask.node);
    if (counts.length === 0) return pass(ask, NONE);
    const forecast = ask.forecast();
    const holds = budgets.holdsOf(counts, forecast);
    if (forecast.costNano === undefined && options.unpriced === "refuse") {
      const unpriced = counts.find(({ budget }) => budget.unit === "usd");
      if (unpriced) return refuse(ask, blockedUnpriced(unpriced, ask.model), holds);
    }
    const taken = budgets.take(holds, finalises && isFinalising(), now);
    if (taken === "taken") return { pass: true, ticket: reservations.open(holds, ask, now) };
    const decide = (taken: Taken): Passage | Promise<Passage> => {
      if (taken === "taken") return pass(ask, holds);
      if (taken.type === "unknown") {
        storeFailed(taken.error);
        if (passesUnknown("budget")) return force(ask, holds);
        return refuse(ask, blockedUnknown("budget", taken.hold.count.scope), holds);
      }
      const { count } = taken.hold;
      if (mode === "enforce") trips.byBudget(count, ask.node);
      return refuse(ask, blockedByBudget(count), holds);
    };
    return taken instanceof Promise ? taken.then(decide) : decide(taken);
  }

  function checkCircuit(ask: Ask, circuit: Circuit, now: number): Passage | Promise<Passage> {
    const refused = (): Passage | Promise<Passage> => {
      const holds = mode === "shadow" || options.approvers.size > 0 ? holdsOf(ask) : [];
      return refuse(ask, blockedByCircuit(circuit), holds);
    };
    if (circuitAt(circuit, now).state !== "probing" || mode === "shadow") return refused();
    return board.probe(circuit, now).then(
      (mayTry) => (mayTry ? checkBudgets(ask, clock()) : refused()),
      (error) => {
        storeFailed(error);
        if (passesUnknown("circuit")) return checkBudgets(ask, clock());
        return refuse(ask, blockedUnknown("circuit", circuit.scope), holdsOf(ask));
      },
    );
  }

  async function waitForState(ask: Ask): Promise<Passage> {
    await board.known(timeoutMs);
    const now = clock();
    // What was last known still holds, and so do budgets.
    if (!board.isUnknown(now) || passesUnknown("circuit")) return check(ask, now);
    return refuse(ask, blockedUnknown("circuit", `agent:${ask.node.scope.agent}`), holdsOf(ask));
  }

  /** The same request over and over opens its agent's circuit. */
  function findRepeat(ask: Ask, now: number): Blocked | undefined {
    const fingerprint = repeats && ask.fingerprint();
    if (fingerprint === undefined || !repeats?.isOneTooMany(fingerprint, now)) return undefined;
    const scope = `agent:${ask.node.scope.agent}`;
    const { max, tripMs } = options.repeats as RepeatRule;
    const why = `the same request was made more than ${max} times`;
    if (mode === "enforce") trips.open(scope, "budget", why, tripMs);
    return { reason: "circuit", scope, source: "budget", until: now + tripMs, why };
  }

  function check(ask: Ask, now: number): Passage | Promise<Passage> {
    const circuit = board.find(ask.node, now);
    const repeat = circuit === undefined && repeats !== undefined ? findRepeat(ask, now) : undefined;
    if (repeat) return refuse(ask, repeat, holdsOf(ask));
    return circuit === undefined ? checkBudgets(ask, now) : checkCircuit(ask, circuit, now);
  }

  return {
    board,
    counts: budgets.counts,
    forecasts: options.budgets.length > 0,
    cuts,
    admit(ask) {
      const now = clock();
      return board.isUnknown(now) ? waitForState(ask) : check(ask, now);
    },
    charge: budgets.charge,
    answered({ node, provider, status, body }) {
      const cap = readVendorCap(status, body);
      if (cap === undefined || mode === "shadow") return false;
      const now = clock();
      const ttlMs = cap.until !== undefined && cap.until > now ? cap.until - now : VENDOR_CAP_MS;
      if (node.scope.key !== undefined) {
        trips.open(`key:${node.scope.key}`, "vendor_cap", `${provider} says ${cap.code}: ${cap.message}`, ttlMs);
      }
      return true;
    },
    async close() {
      reservations.close();
      await share.leave().catch(storeFailed);
      board.close();
      await Promise.resolve(store.close()).catch(storeFailed);
    },
  };
}
