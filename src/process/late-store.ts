import { setTimeout } from "node:timers";
import { isSpendfuseError } from "../core/errors.ts";
import { type Change, type Store, within } from "../stores/store.ts";

/** A store that is usable from the first moment: operations wait until it is open, and reject while it cannot be opened. */
export interface LateStore extends Store {
  /** The store itself; undefined while it is not open. */
  readonly opened: Store | undefined;
  /** Settles with the first attempt, or rejects after the time-out of opening; later attempts follow by themselves. */
  readonly ready: Promise<Store>;
}

export interface LateOptions {
  readonly open: () => Promise<Store>;
  /** How long `ready` waits, in milliseconds. */
  readonly timeoutMs: number;
  /** Names the store in errors. */
  readonly shown: string;
}

type Phase =
  | { readonly type: "opening"; readonly answer: Promise<Store> }
  | { readonly type: "open"; readonly store: Store }
  | { readonly type: "failed"; readonly error: unknown }
  | { readonly type: "closed" };

interface LateState {
  readonly options: LateOptions;
  readonly listeners: Set<(change: Change) => void>;
  phase: Phase;
}

const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 5_000;

export function createLateStore(options: LateOptions): LateStore {
  const state: LateState = { options, listeners: new Set(), phase: { type: "closed" } };
  const first = open(state, FIRST_RETRY_MS);
  first.catch(noop);
  return {
    alone: false,
    get opened() {
      return state.phase.type === "open" ? state.phase.store : undefined;
    },
    ready: openedInTime(first, options),
    exchange: (reports) => use(state, (store) => store.exchange(reports)),
    counts: (limit) => use(state, (store) => store.counts(limit)),
    circuits: () => use(state, (store) => store.circuits()),
    circuit: (scope) => use(state, (store) => store.circuit(scope)),
    putCircuit: (circuit, entry) => use(state, (store) => store.putCircuit(circuit, entry)),
    changeCap: (reports, raised, entry) => use(state, (store) => store.changeCap(reports, raised, entry)),
    addAudit: (entry) => use(state, (store) => store.addAudit(entry)),
    audit: (limit) => use(state, (store) => store.audit(limit)),
    putMetered: (holder, totals, late) => use(state, (store) => store.putMetered(holder, totals, late)),
    metered: (from, until) => use(state, (store) => store.metered(from, until)),
    late: (from, until) => use(state, (store) => store.late(from, until)),
    settle: (call, settlement) => use(state, (store) => store.settle(call, settlement)),
    settlements: (calls) => use(state, (store) => store.settlements(calls)),
    takeTurn: (pace) => use(state, (store) => store.takeTurn(pace)),
    recall: (key) => use(state, (store) => store.recall(key)),
    subscribe(listener) {
      state.listeners.add(listener);
      return () => state.listeners.delete(listener);
    },
    close: () => close(state),
  };
}

async function openedInTime(first: Promise<Store>, { timeoutMs, shown }: LateOptions): Promise<Store> {
  const late = new Error(`the store ${shown} is not open after ${timeoutMs} ms`);
  return within(first, timeoutMs, late);
}

/** Synchronous where the open store is, as the file store is. */
function use<T>({ phase }: LateState, run: (store: Store) => T | Promise<T>): T | Promise<T> {
  switch (phase.type) {
    case "open":
      return run(phase.store);
    case "opening":
      return phase.answer.then(run);
    case "failed":
      throw phase.error;
    case "closed":
      throw new Error("the store is closed");
  }
}

/** Opens the store. Tries again later where it could not be reached; an address that is wrong stays wrong. */
function open(state: LateState, retryMs: number): Promise<Store> {
  const answer = state.options.open();
  state.phase = { type: "opening", answer };
  return answer.then(
    (store) => opened(state, store, retryMs > FIRST_RETRY_MS),
    (error) => {
      failed(state, error, retryMs);
      throw error;
    },
  );
}

function opened(state: LateState, store: Store, isLate: boolean): Store {
  if (state.phase.type === "closed") {
    void Promise.resolve(store.close()).catch(noop);
    return store;
  }
  state.phase = { type: "open", store };
  store.subscribe((change) => notify(state, change));
  if (isLate) notify(state, { type: "back" });
  return store;
}

function failed(state: LateState, error: unknown, retryMs: number): void {
  if (state.phase.type === "closed") return;
  state.phase = { type: "failed", error };
  notify(state, { type: "away" });
  if (isSpendfuseError(error) && error.code !== "SPENDFUSE_STORE") return;
  setTimeout(() => {
    if (state.phase.type === "failed") open(state, Math.min(retryMs * 2, MAX_RETRY_MS)).catch(noop);
  }, retryMs).unref();
}

function notify({ listeners }: LateState, change: Change): void {
  for (const listener of listeners) listener(change);
}

async function close(state: LateState): Promise<void> {
  const { phase } = state;
  state.phase = { type: "closed" };
  state.listeners.clear();
  if (phase.type === "open") await phase.store.close();
}

function noop(): void {}
