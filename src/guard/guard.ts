import type { Budget } from "../core/budget.ts";
import { type Circuit, circuitAt } from "../core/circuit.ts";
import type { Ask, Gate, Passage } from "../core/gate.ts";
import type { ScopeNode } from "../core/scope.ts";
import { type AuditEntry, changeCircuit, type Store } from "../stores/store.ts";
import { type Approval, type Approve, approvalOf } from "./approval.ts";
import type { Blocked } from "./blocked.ts";
import { type Board, createBoard } from "./board.ts";
import { createBudgets, type Hold, type Taken } from "./budgets.ts";
import { type Count, keyOf, totalOf } from "./count.ts";
import { isFinalising } from "./finalise.ts";
import { createNotices } from "./notices.ts";
import { createRefusal } from "./refusal.ts";
import { createReservations } from "./reservations.ts";
import { createShare } from "./share.ts";
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
  const finalises = options.budgets.some(({ ordinary, cap }) => ordinary < cap);
  const sayAtTimes = createNotices(options.say, clock);

  const board = createBoard({
    store,
    fed: options.fed,
    clock,
    onBack: () => share.reassert(),
    onRecall: (key) => share.recall(key),
    onFailure: storeFailed,
    onChange: tellChange,
  });
  const budgets = createBudgets({
    budgets: options.budgets,
    clock,
    run: options.holder,
    recallMs: RECALL_MS,
    share: () => share,
    recall: (count) => void Promise.resolve(store.recall(keyOf(count))).catch(storeFailed),
    onWarning(count) {
      const { name, cap } = count.budget;
      options.say(`budget "${name}" of ${count.scope}: ${Math.round((totalOf(count) / cap) * 100)} % are spent`);
    },
  });
  const share = createShare({
    store,
    holder: options.holder,
    counts: () => budgets.counts,
    clock,
    leaseMs: options.leaseMs ?? LEASE_MS,
    timeoutMs,
    onFailure: storeFailed,
  });
  const reservations = createReservations(budgets, clock);

  function storeFailed(error: unknown): void {
    sayAtTimes("store", `the store cannot be asked: ${error instanceof Error ? error.message : error}`);
  }

  function tellChange(circuit: Circuit): void {
    if (circuit.state !== "open") return;
    const until = new Date(circuit.until).toISOString();
    sayAtTimes(`circuit ${circuit.scope}`, `circuit of ${circuit.scope} opened until ${until}: ${circuit.reason}`);
  }

  function pass(holds: readonly Hold[]): Passage {
    return holds.length === 0 ? PASS : { pass: true, ticket: reservations.open(holds, clock()) };
  }

  function force(holds: readonly Hold[]): Passage {
    budgets.force(holds);
    return pass(holds);
  }

  function holdsOf(ask: Ask): readonly Hold[] {
    const counts = budgets.countsOf(ask.node);
    return counts.length === 0 ? NONE : budgets.holdsOf(counts, ask.forecast());
  }

  function refuse(ask: Ask, blocked: Blocked, holds: readonly Hold[]): Passage | Promise<Passage> {
    if (mode === "shadow") {
      options.onRefused(ask.node, blocked, "shadow");
      return force(holds);
    }
    const refused = (approval: Approval | undefined): Passage => {
      if (approval !== undefined) {
        log({ scope: blocked.scope, what: "approve", by: approval.by, why: approval.why });
        options.say(`a call of ${ask.node.scope.agent} was let pass, though ${blocked.scope} is over: ${approval.why}`);
        return force(holds);
      }
      options.onRefused(ask.node, blocked, "enforce");
      return { pass: false, refusal: () => createRefusal(blocked, ask.format) };
    };
    if (options.approvers.size === 0) return refused(undefined);
    const approval = approvalOf(options.approvers, blocked, ask.node.scope, onFault);
    return approval instanceof Promise ? approval.then(refused) : refused(approval);
  }

  function log(entry: Omit<AuditEntry, "at" | "state">): void {
    attempt(() => store.addAudit({ ...entry, at: clock(), state: "none" }));
  }

  /** Does something with the store that nobody waits for. */
  function attempt(run: () => unknown): void {
    try {
      Promise.resolve(run()).catch(storeFailed);
    } catch (error) {
      storeFailed(error);
    }
  }

  function unknown(
    ask: Ask,
    scope: string,
    reason: "budget" | "circuit",
    holds: readonly Hold[],
  ): Passage | Promise<Passage> {
    if (options.whenStateUnknown === "open") {
      sayAtTimes("unknown", `the ${reason} state is not known: calls pass unchecked (whenStateUnknown: "open")`);
      return force(holds);
    }
    sayAtTimes("unknown", `the ${reason} state is not known: calls are refused (whenStateUnknown: "closed")`);
    return refuse(ask, blockedUnknown(reason, scope), holds);
  }

  function checkBudgets(ask: Ask, now: number): Passage | Promise<Passage> {
    const counts = budgets.countsOf(ask.node);
    if (counts.length === 0) return PASS;
    const forecast = ask.forecast();
    const holds = budgets.holdsOf(counts, forecast);
    if (forecast.costNano === undefined && options.unpriced === "refuse") {
      const unpriced = counts.find(({ budget }) => budget.unit === "usd");
      if (unpriced) return refuse(ask, blockedUnpriced(unpriced, ask.model), holds);
    }
    const taken = budgets.take(holds, finalises && isFinalising(), now);
    if (taken === "taken") return { pass: true, ticket: reservations.open(holds, now) };
    const decide = (taken: Taken): Passage | Promise<Passage> => {
      if (taken === "taken") return pass(holds);
      if (taken.type === "unknown") {
        storeFailed(taken.error);
        return unknown(ask, taken.hold.count.scope, "budget", holds);
      }
      const { count } = taken.hold;
      trip(count, ask.node);
      return refuse(ask, blockedByBudget(count), holds);
    };
    return taken instanceof Promise ? taken.then(decide) : decide(taken);
  }

  /** A budget may open the circuit of its scope, so that it stays shut when a moving window has moved on. */
  function trip({ budget, scope }: Count, node: ScopeNode): void {
    if (budget.tripMs === undefined || mode === "shadow") return;
    const whose = budget.per.kind === "run" ? node.scope.run && `run:${node.scope.run}` : scope;
    if (!whose) return;
    const reason = `budget "${budget.name}" is used up`;
    open(whose.split(",").sort().join(","), "budget", reason, budget.tripMs);
  }

  function open(scope: string, source: "budget" | "vendor_cap", reason: string, ttlMs: number): void {
    const event = { type: "trip", source, reason, by: options.instance(), ttlMs } as const;
    attempt(() => changeCircuit(store, scope, event, clock()));
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
        return unknown(ask, circuit.scope, "circuit", holdsOf(ask));
      },
    );
  }

  async function waitForState(ask: Ask): Promise<Passage> {
    await board.known(timeoutMs);
    const now = clock();
    if (board.isUnknown(now)) return unknown(ask, `agent:${ask.node.scope.agent}`, "circuit", holdsOf(ask));
    return check(ask, now);
  }

  function check(ask: Ask, now: number): Passage | Promise<Passage> {
    const circuit = board.find(ask.node, now);
    return circuit === undefined ? checkBudgets(ask, now) : checkCircuit(ask, circuit, now);
  }

  return {
    board,
    counts: budgets.counts,
    forecasts: options.budgets.length > 0,
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
        open(`key:${node.scope.key}`, "vendor_cap", `${provider} says ${cap.code}: ${cap.message}`, ttlMs);
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
