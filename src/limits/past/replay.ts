import { spanAt } from "../../core/period.ts";
import { type Budget, scopesOf } from "../budget.ts";
import { joinKey } from "../scope-text.ts";
import { amountIn, inOrder, isKnownIn, type PastCall, type PastRun } from "./past-call.ts";

/** What a budget would have stopped: a run, or in one window the calls of a scope that name no run. */
export interface Stop {
  readonly budget: Budget;
  readonly scope: string;
  readonly agent: string;
  /** Undefined for calls that name no run. */
  readonly run: string | undefined;
  /** When the first call would have been refused, in milliseconds since the epoch; undefined where only a sum is known. */
  readonly at: number | undefined;
  /** Known to the day only. */
  readonly isDay: boolean;
  /** Nano-USD spent until then: by the run, else by the scope in its window. */
  readonly before: number;
  /** Nano-USD that would not have been spent. */
  saved: number;
  /** Calls that would not have been made. */
  calls: number;
  /** Whether the run came to its end, and would not have; undefined where that is unknown. */
  readonly finished: boolean | undefined;
}

export interface Replay {
  /** Nano-USD of all calls. */
  readonly spent: number;
  readonly calls: number;
  /** Runs with a name, in all, and those of them that came to their end. */
  readonly runs: number;
  readonly finished: number;
  readonly stops: readonly Stop[];
  /** Budgets that could not be tried on some of the calls, because these name no run or only their day is known. */
  readonly untried: readonly { readonly budget: Budget; readonly calls: number }[];
}

interface Place {
  readonly budget: Budget;
  readonly scope: string;
  readonly key: string;
  readonly spent: number;
}

interface ReplayState {
  readonly budgets: readonly Budget[];
  /** Spent by budget, scope and window, in the unit of the budget. */
  readonly spent: Map<string, number>;
  /** Nano-USD by run, until it is stopped. */
  readonly ofRun: Map<string, number>;
  readonly finished: ReadonlySet<string>;
  readonly stoppedRuns: Map<string, Stop>;
  /** Of calls without a run, by budget, scope and window. */
  readonly stoppedScopes: Map<string, Stop>;
  readonly untried: Map<Budget, number>;
}

/**
 * Plays the calls back in the order in which they began, with all budgets at once. A call is refused where its actual cost
 * would pass a cap: a guard refuses it a little earlier, by its estimate. A run ends with its first refused call;
 * a call that names no run is refused alone. What is refused takes nothing from any budget. Ordinary calls are assumed:
 * `finalisation` is not used.
 */
export function replay(budgets: readonly Budget[], calls: readonly PastCall[]): Replay {
  const ordered = inOrder(calls);
  const lastOfRun = new Map(
    ordered.flatMap((call) => (call.node.scope.run === undefined ? [] : [[call.node.scope.run, call]])),
  );
  const finished = new Set([...lastOfRun].filter(([, { completed }]) => completed).map(([run]) => run));
  const state: ReplayState = {
    budgets,
    spent: new Map(),
    ofRun: new Map(),
    finished,
    stoppedRuns: new Map(),
    stoppedScopes: new Map(),
    untried: new Map(),
  };
  for (const call of ordered) play(state, call);
  return {
    spent: sum(ordered.map(({ usd }) => usd)),
    calls: sum(ordered.map(({ calls: made }) => made)),
    runs: lastOfRun.size,
    finished: finished.size,
    stops: [...state.stoppedRuns.values(), ...state.stoppedScopes.values()].sort((a, b) => (a.at ?? 0) - (b.at ?? 0)),
    untried: [...state.untried].map(([budget, untried]) => ({ budget, calls: untried })),
  };
}

/** Runs whose sum alone is known, each by itself: what is above the cap would have been saved. */
export function replayRuns(budgets: readonly Budget[], runs: readonly PastRun[]): readonly Stop[] {
  return runs.flatMap(({ budget: counted, scope, run, spent }) => {
    const budget = budgets.find(({ id }) => id === counted.id);
    if (budget === undefined || spent <= budget.ordinary) return [];
    const isMoney = budget.unit === "usd";
    return {
      ...{ budget, scope, agent: scope, run, at: undefined, isDay: false, finished: undefined },
      before: isMoney ? budget.ordinary : 0,
      saved: isMoney ? spent - budget.ordinary : 0,
      calls: budget.unit === "calls" ? spent - budget.ordinary : 0,
    };
  });
}

function play(state: ReplayState, call: PastCall): void {
  const { run } = call.node.scope;
  const stopped = run === undefined ? undefined : state.stoppedRuns.get(run);
  if (stopped !== undefined) {
    stopped.saved += call.usd;
    stopped.calls += call.calls;
    return;
  }
  const places = placesOf(state, call);
  let share = 1;
  let refusing: Place | undefined;
  for (const place of places) {
    const fits = shareThatFits(place, call);
    if (fits >= share) continue;
    share = fits;
    refusing = place;
  }
  for (const { budget, key, spent } of places) {
    state.spent.set(key, spent + Math.floor(amountIn(budget.unit, call) * share));
  }
  if (run !== undefined) state.ofRun.set(run, (state.ofRun.get(run) ?? 0) + call.usd * share);
  if (refusing !== undefined) stop(state, call, refusing, share);
}

/** The counts that a call adds to, with what they hold. */
function placesOf(state: ReplayState, call: PastCall): readonly Place[] {
  return state.budgets.flatMap((budget) => {
    const scopes = scopesOf(budget, call.node);
    if (scopes.length > 0 && !isKnownIn(budget, call)) {
      state.untried.set(budget, (state.untried.get(budget) ?? 0) + call.calls);
      return [];
    }
    const { current, earlier } = spanAt(budget.per, call.at, call.node.scope.run ?? "");
    return scopes.map((scope) => {
      const key = joinKey(budget.id, scope, current);
      const windows = [key, ...earlier.map((window) => joinKey(budget.id, scope, window))];
      return { budget, scope, key, spent: sum(windows.map((window) => state.spent.get(window) ?? 0)) };
    });
  });
}

/** All of a call or nothing; of a day as much as there is room for. */
function shareThatFits({ budget, spent }: Place, call: PastCall): number {
  const amount = amountIn(budget.unit, call);
  const room = budget.ordinary - spent;
  if (amount <= room || amount === 0) return 1;
  return call.isDay ? Math.max(0, room / amount) : 0;
}

function stop(state: ReplayState, call: PastCall, { budget, scope, key, spent }: Place, share: number): void {
  const { agent, run } = call.node.scope;
  const saved = call.usd - Math.floor(call.usd * share);
  const calls = call.calls - Math.floor(call.calls * share);
  const found = run === undefined ? state.stoppedScopes.get(key) : undefined;
  if (found !== undefined) {
    found.saved += saved;
    found.calls += calls;
    return;
  }
  const inWindow = budget.unit === "usd" ? spent + Math.floor(call.usd * share) : 0;
  const made: Stop = {
    ...{ budget, scope, agent, run, at: call.at, isDay: call.isDay, saved, calls },
    before: run === undefined ? inWindow : (state.ofRun.get(run) ?? 0),
    finished: run === undefined ? undefined : state.finished.has(run),
  };
  if (run === undefined) state.stoppedScopes.set(key, made);
  else state.stoppedRuns.set(run, made);
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
