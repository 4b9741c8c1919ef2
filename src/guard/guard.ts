import type { ScopeNode } from "../core/scope.ts";
import type { Budget } from "../limits/budget.ts";
import { type Circuit, circuitAt } from "../limits/circuit.ts";
import type { Ask, Gate, Passage } from "../limits/gate.ts";
import { hasLadder, hasThrottle } from "../limits/ladder.ts";
import type { Count } from "./budgets/budget-counter.ts";
import { leave } from "./budgets/budget-lease.ts";
import { charge, countsOf, type Hold, holdsOf } from "./budgets/budgets.ts";
import { findShortage, type Shortage, type Taken, takeHolds, type Unknown } from "./budgets/coverage.ts";
import { replaceBudgets } from "./budgets/reload.ts";
import { leftUsdOf, type Remaining, remainingOf } from "./budgets/remaining.ts";
import { pausedCause, spentCause } from "./cause.ts";
import type { CircuitCache } from "./circuits/circuit-cache.ts";
import { findRepeat } from "./circuits/stuck-agent.ts";
import { openVendorCap } from "./circuits/vendor-trip.ts";
import { isFinalising } from "./finalise.ts";
import { type GuardOptions, type GuardState, keepsReserve, openGuardState, reportStoreFailure } from "./guard-state.ts";
import { applyLadders } from "./ladder.ts";
import { force, NO_HOLDS, pass, passesUnknown, refuse, refuseNow } from "./passage.ts";
import { createRefusal } from "./refusal.ts";
import { endTurn, isTurn, mustQueue, NO_TURN, shareTurn, type Turn, takeTurn } from "./throttle.ts";
import { blockedByBudget, blockedByCircuit, blockedUnchecked, blockedUnknown, blockedUnpriced } from "./verdict.ts";
import { ABORTED, createWaiting } from "./waiting.ts";

/** The check before each call: budgets and circuits in, a verdict out. */
export interface Guard extends Gate {
  readonly circuits: CircuitCache;
  readonly counts: Iterable<Count>;
  forecasts: boolean;
  changes: boolean;
  waits: boolean;
  /** What is left of the budgets that apply to a scope; nothing where a circuit is open. Never rejects. */
  remaining(node: ScopeNode): Promise<readonly Remaining[]>;
  /** The least that is left of the scope's budgets in USD, as far as this process knows; undefined without one, and in shadow mode. */
  leftUsd(node: ScopeNode): number | undefined;
  /** Takes the budgets of a configuration that was read again. */
  replaceBudgets(next: readonly Budget[]): void;
  /** Reports everything to the store and releases what is held. Never rejects. */
  close(): Promise<void>;
}

export function createGuard(options: GuardOptions): Guard {
  const guard = openGuardState(options);
  const { circuits, budgets, clock, cuts } = guard;
  openWaiting(guard);
  const own: Guard = {
    circuits,
    counts: budgets.counts,
    forecasts: options.budgets.length > 0,
    cuts,
    changes: guard.climbs,
    waits: guard.waiting !== undefined,
    admit(ask) {
      const now = clock();
      const waits = guard.waiting !== undefined && !isFinalising() ? guard.waiting.join(ask) : undefined;
      if (waits !== undefined) return waits;
      const circuit = circuits.find(ask.node, now);
      return circuits.isUnknown(now) ? waitForState(guard, ask) : check(guard, ask, circuit, now);
    },
    unchecked(shape) {
      if (passesUnknown(guard, "budget")) return undefined;
      return createRefusal(blockedUnchecked(), shape, options.raise);
    },
    remaining: (node) => remaining(guard, node),
    leftUsd: (node) =>
      options.mode === "shadow"
        ? undefined
        : leftUsdOf(budgets, countsOf(budgets, node), guard.finalises && isFinalising()),
    replaceBudgets(next) {
      replaceBudgets(budgets, next);
      guard.finalises = keepsReserve(next);
      guard.climbs = hasLadder(next);
      guard.throttles = hasThrottle(next);
      openWaiting(guard);
      own.waits = guard.waiting !== undefined;
      own.changes = guard.climbs;
      guard.waiting?.wake();
      own.forecasts = next.length > 0;
    },
    charge: (node, spent) => charge(budgets, node, spent),
    answered: (answer) => openVendorCap(guard, answer),
    close: () => close(guard),
  };
  return own;
}

/** Makes the place where calls wait, once something may make them. */
function openWaiting(guard: GuardState): void {
  const { budgets, clock, options, throttles, waits } = guard;
  if (guard.waiting !== undefined || !(waits || (throttles && options.mode === "enforce"))) return;
  const waiting = createWaiting({
    waitMs: options.waitMs ?? 0,
    clock,
    check: (ask) => checkNow(guard, ask, clock()),
    refuse: (ask, blocked) => refuseNow(guard, ask, blocked),
    onFault: options.onFault,
  });
  guard.waiting = waiting;
  budgets.onFreed = () => waiting.wake();
}

async function remaining(guard: GuardState, node: ScopeNode): Promise<readonly Remaining[]> {
  const { budgets, circuits, clock, finalises, notify, options } = guard;
  const failed = (error: unknown): void => reportStoreFailure(notify, error);
  const rows = await remainingOf(budgets, countsOf(budgets, node), finalises && isFinalising(), failed);
  const blocked = options.mode === "enforce" && circuits.find(node, clock()) !== undefined;
  return blocked ? rows.map((row) => ({ ...row, left: 0 })) : rows;
}

function checkNow(guard: GuardState, ask: Ask, now: number): Passage | Promise<Passage> {
  return check(guard, ask, guard.circuits.find(ask.node, now), now);
}

function check(guard: GuardState, ask: Ask, circuit: Circuit | undefined, now: number): Passage | Promise<Passage> {
  if (circuit !== undefined) return checkCircuit(guard, ask, circuit, now);
  const repeat = guard.repeats === undefined ? undefined : findRepeat(guard, guard.repeats, ask, now);
  return repeat === undefined ? checkBudgets(guard, ask, now) : refuse(guard, ask, repeat, needsOf(guard, ask));
}

/** `turn`: the call's in the throttles that apply to it, once it has been taken. */
function checkBudgets(guard: GuardState, ask: Ask, now: number, turn?: Turn): Passage | Promise<Passage> {
  const { budgets, options } = guard;
  const counts = countsOf(budgets, ask.node);
  if (counts.length === 0) return pass(guard, ask, NO_HOLDS);
  if (guard.throttles && turn === undefined) return checkTurn(guard, ask, counts, now);
  const finalising = guard.finalises && isFinalising();
  if (finalising && keepsReserve(counts.map(({ budget }) => budget))) ask.finalises?.();
  if (guard.climbs) applyLadders(guard, ask, counts, now);
  const forecast = ask.forecast();
  const holds = holdsOf(counts, forecast);
  if (forecast.costNano === undefined && options.unpriced === "refuse") {
    const unpriced = counts.find(({ budget }) => budget.unit === "usd");
    if (unpriced) {
      if (turn !== undefined) endTurn(turn, false);
      return refuse(guard, ask, blockedUnpriced(unpriced, ask.model), holds);
    }
  }
  const taken = takeHolds(budgets, holds, finalising, now);
  if (taken instanceof Promise) return taken.then((one) => decide(guard, ask, holds, one, turn));
  if (taken !== "taken") return decide(guard, ask, holds, taken, turn);
  if (turn !== undefined) endTurn(turn, true);
  return { pass: true, ticket: guard.reservations.open(holds, ask, now) };
}

/** Makes a call wait its turn where a budget slows it down. */
function checkTurn(guard: GuardState, ask: Ask, counts: readonly Count[], now: number): Passage | Promise<Passage> {
  const turn = takeTurn(guard, ask, counts, now);
  const { waiting } = guard;
  if (!isTurn(turn)) return waiting === undefined ? checkBudgets(guard, ask, now, NO_TURN) : waiting.wait(ask, turn);
  const asks = mustQueue(guard, ask, turn, now);
  if (asks !== undefined && waiting !== undefined) {
    endTurn(turn, false);
    return waiting.wait(ask, asks);
  }
  return guard.lease.alone || turn.counts.length === 0 ? go(guard, ask, turn, now) : checkShared(guard, ask, turn);
}

/** Makes a call wait its turn among the processes that share the store. */
async function checkShared(guard: GuardState, ask: Ask, turn: Turn): Promise<Passage> {
  const { waiting } = guard;
  const shared = await shareTurn(guard, turn);
  if (!isTurn(shared)) {
    return waiting === undefined ? checkBudgets(guard, ask, guard.clock(), NO_TURN) : waiting.wait(ask, shared);
  }
  // It has left the line meanwhile: its turn is for the next.
  if (ask.signal?.aborted === true) endTurn(shared, false);
  return ask.signal?.aborted === true ? ABORTED : go(guard, ask, shared, guard.clock());
}

/** Checks the budgets of a call whose turn it is. */
function go(guard: GuardState, ask: Ask, turn: Turn, now: number): Passage | Promise<Passage> {
  const slowed = guard.waiting?.throttledFor(ask);
  if (slowed !== undefined) ask.throttled?.(slowed.budget, slowed.waitedMs);
  return checkBudgets(guard, ask, now, turn);
}

/** A call that does not pass gives its turn back before it waits for anything else. */
function decide(guard: GuardState, ask: Ask, holds: readonly Hold[], taken: Taken, turn: Turn | undefined) {
  if (turn !== undefined) endTurn(turn, taken === "taken");
  return taken === "taken" ? pass(guard, ask, holds) : refuseUncovered(guard, ask, holds, taken);
}

/** Decides on a call that budgets do not cover, or for which the store did not answer. */
function refuseUncovered(
  guard: GuardState,
  ask: Ask,
  holds: readonly Hold[],
  why: Shortage | Unknown,
): Passage | Promise<Passage> {
  let { hold } = why;
  if (why.type === "unknown") {
    reportStoreFailure(guard.notify, why.error);
    if (!passesUnknown(guard, "budget")) return refuseUnknown(guard, ask, "budget", hold.count.scope, holds);
    const short = findShortage(guard.budgets, holds, guard.finalises && isFinalising(), guard.clock());
    if (short === undefined) return force(guard, ask, holds);
    hold = short;
  }
  const { count } = hold;
  if (guard.options.mode === "enforce") guard.trips.byBudget(count, ask.node);
  const blocked = blockedByBudget(count, hold.amount, guard.finalises && isFinalising());
  return refuse(guard, ask, blocked, holds, guard.waits ? spentCause(guard.budgets, count, blocked) : undefined);
}

function checkCircuit(guard: GuardState, ask: Ask, circuit: Circuit, now: number): Passage | Promise<Passage> {
  if (circuitAt(circuit, now).state !== "probing" || guard.options.mode === "shadow") {
    return refuseByCircuit(guard, ask, circuit);
  }
  return guard.circuits.probe(circuit, now).then(
    (mayTry) => (mayTry ? checkBudgets(guard, ask, guard.clock()) : refuseByCircuit(guard, ask, circuit)),
    (error) => {
      reportStoreFailure(guard.notify, error);
      if (passesUnknown(guard, "circuit")) return checkBudgets(guard, ask, guard.clock());
      return refuseUnknown(guard, ask, "circuit", circuit.scope, needsOf(guard, ask));
    },
  );
}

function refuseUnknown(
  guard: GuardState,
  ask: Ask,
  reason: "budget" | "circuit",
  scope: string,
  holds: readonly Hold[],
): Passage | Promise<Passage> {
  return refuse(guard, ask, blockedUnknown(reason, scope, guard.options.sources ?? "the store"), holds);
}

function refuseByCircuit(guard: GuardState, ask: Ask, circuit: Circuit): Passage | Promise<Passage> {
  const { mode, approvers } = guard.options;
  const mayPass = mode === "shadow" || approvers.size > 0;
  const blocked = blockedByCircuit(circuit);
  const cause = guard.waits ? pausedCause(circuit, blocked) : undefined;
  return refuse(guard, ask, blocked, mayPass ? needsOf(guard, ask) : NO_HOLDS, cause);
}

async function waitForState(guard: GuardState, ask: Ask): Promise<Passage> {
  const { circuits, clock, options, openUntil } = guard;
  const closed = options.whenStateUnknown === "closed" && options.mode === "enforce";
  const ms = Math.max(openUntil - performance.now(), closed ? options.timeoutMs : 0);
  if (ms > 0) await circuits.known(ms, !closed);
  const now = clock();
  // What was last known still holds, and so do budgets.
  if (!circuits.isUnknown(now) || passesUnknown(guard, "circuit")) return checkNow(guard, ask, now);
  return refuseUnknown(guard, ask, "circuit", `agent:${ask.node.scope.agent}`, needsOf(guard, ask));
}

/** What a call needs of each budget that applies. */
function needsOf({ budgets }: GuardState, ask: Ask): readonly Hold[] {
  const counts = countsOf(budgets, ask.node);
  return counts.length === 0 ? NO_HOLDS : holdsOf(counts, ask.forecast());
}

async function close({ waiting, reservations, lease, circuits, notify, options }: GuardState): Promise<void> {
  const failed = (error: unknown): void => reportStoreFailure(notify, error);
  waiting?.close();
  reservations.close();
  await leave(lease).catch(failed);
  circuits.close();
  await Promise.resolve(options.store.close()).catch(failed);
}
