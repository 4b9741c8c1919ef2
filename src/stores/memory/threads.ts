import { clearTimeout, setTimeout } from "node:timers";
import type { BroadcastChannel } from "node:worker_threads";
import type { Change, Store } from "../store.ts";

// One memory for all threads of a process: one thread keeps it, the others ask it by a channel. The main thread keeps it
// where it has a guard, else the thread that was first. Reports carry totals, so that the keeper may change.

const CHANNEL = "spendfuse.memory";
/**
 * How long a thread waits for a keeper before it becomes one: longer than a thread is busy while it starts, because two
 * keepers would each let the whole budget pass. Only threads of a process whose main thread has no guard wait for it.
 */
const SEEK_MS = 1_000;
/** How long a keeper may be busy before another one is sought. */
const BUSY_MS = 5_000;

type Operation = Exclude<keyof Store, "alone" | "subscribe" | "close">;

type Message =
  | { readonly type: "seek" }
  | { readonly type: "keeper"; readonly id: number }
  | { readonly type: "gone"; readonly id: number }
  | ({ readonly type: "ask"; readonly to: number; readonly from: number; readonly seq: number } & {
      readonly operation: Operation;
      readonly given: readonly unknown[];
    })
  | {
      readonly type: "answer";
      readonly to: number;
      readonly seq: number;
      readonly value: unknown;
      readonly error?: string;
    }
  | { readonly type: "change"; readonly from: number; readonly change: Change };

type Role =
  | { readonly type: "keeper"; readonly memory: Store }
  | { readonly type: "guest"; readonly keeper: number }
  | { readonly type: "seeking"; readonly found: PromiseWithResolvers<void> };

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

interface ThreadState {
  readonly open: () => Store;
  readonly channel: BroadcastChannel;
  /** Of this thread. */
  readonly id: number;
  readonly listeners: Set<(change: Change) => void>;
  readonly waiting: Map<number, Waiting>;
  role: Role;
  /** Another thread has asked. */
  shared: boolean;
  seq: number;
  seekTimer: ReturnType<typeof setTimeout> | undefined;
  /** It no longer takes part. */
  parted: boolean;
}

/** The store of this thread that takes part: the newest, since one that is replaced closes later. */
let current: ThreadState | undefined;

/** Opens the memory of this process; `open` makes the one that is kept. */
export function openThreadMemory(open: () => Store): Store {
  if (current !== undefined) part(current);
  // Loaded here: an app without a guard has no need of it.
  const { BroadcastChannel, isMainThread, threadId } = process.getBuiltinModule("node:worker_threads");
  const channel = new BroadcastChannel(CHANNEL);
  channel.unref();
  const state: ThreadState = {
    open,
    channel,
    id: threadId,
    listeners: new Set(),
    waiting: new Map(),
    role: { type: "seeking", found: Promise.withResolvers() },
    shared: false,
    seq: 0,
    seekTimer: undefined,
    parted: false,
  };
  current = state;
  channel.onmessage = (event) => receive(state, (event as { readonly data: Message }).data);
  if (isMainThread) keep(state);
  else seek(state);
  return {
    get alone() {
      return state.role.type === "keeper" && !state.shared;
    },
    exchange: (reports) => run(state, "exchange", [reports]) as ReturnType<Store["exchange"]>,
    counts: (limit) => run(state, "counts", [limit]) as ReturnType<Store["counts"]>,
    circuits: () => run(state, "circuits", []) as ReturnType<Store["circuits"]>,
    circuit: (scope) => run(state, "circuit", [scope]) as ReturnType<Store["circuit"]>,
    putCircuit: (circuit, entry) => run(state, "putCircuit", [circuit, entry]) as ReturnType<Store["putCircuit"]>,
    changeCap: (...given) => run(state, "changeCap", given) as ReturnType<Store["changeCap"]>,
    addAudit: (entry) => run(state, "addAudit", [entry]) as ReturnType<Store["addAudit"]>,
    audit: (limit) => run(state, "audit", [limit]) as ReturnType<Store["audit"]>,
    putMetered: () => {},
    metered: () => [],
    late: () => ({ calls: [], minutes: [], settlements: new Map() }),
    settle: () => false,
    settlements: (calls) => calls.map(() => undefined),
    takeTurn: (pace) => run(state, "takeTurn", [pace]) as ReturnType<Store["takeTurn"]>,
    recall: (key) => run(state, "recall", [key]) as ReturnType<Store["recall"]>,
    subscribe(listener) {
      state.listeners.add(listener);
      return () => state.listeners.delete(listener);
    },
    close: () => close(state),
  };
}

function run(state: ThreadState, operation: Operation, given: readonly unknown[]): unknown {
  const { role } = state;
  switch (role.type) {
    case "keeper":
      return perform(role.memory, operation, given);
    case "guest":
      return ask(state, role.keeper, operation, given);
    case "seeking":
      return role.found.promise.then(() => run(state, operation, given));
  }
}

function perform(memory: Store, operation: Operation, given: readonly unknown[]): unknown {
  return (memory[operation] as (...given: readonly unknown[]) => unknown)(...given);
}

function ask(state: ThreadState, keeper: number, operation: Operation, given: readonly unknown[]): Promise<unknown> {
  const seq = state.seq++;
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const timer = setTimeout(() => {
    state.waiting.delete(seq);
    reject(new Error("the thread that keeps the budgets of this process does not answer"));
    if (state.role.type === "guest" && state.role.keeper === keeper) seek(state);
  }, BUSY_MS).unref();
  state.waiting.set(seq, { resolve, reject, timer });
  send(state, { type: "ask", to: keeper, from: state.id, seq, operation, given });
  return promise;
}

function send({ channel, parted }: ThreadState, message: Message): void {
  if (!parted) channel.postMessage(message);
}

/** Looks for the thread that keeps the memory, and becomes it where there is none. */
function seek(state: ThreadState): void {
  state.role = { type: "seeking", found: Promise.withResolvers() };
  send(state, { type: "seek" });
  state.seekTimer = setTimeout(() => keep(state), SEEK_MS);
}

function keep(state: ThreadState): void {
  const memory = state.open();
  memory.subscribe((change) => {
    notify(state, change);
    if (state.shared) send(state, { type: "change", from: state.id, change });
  });
  take(state, { type: "keeper", memory });
  send(state, { type: "keeper", id: state.id });
}

/** Takes a role; whoever waits goes on, and everything is reported again. */
function take(state: ThreadState, role: Role): void {
  const before = state.role;
  clearTimeout(state.seekTimer);
  state.role = role;
  if (before.type === "seeking") before.found.resolve();
  notify(state, { type: "back" });
}

function notify({ listeners }: ThreadState, change: Change): void {
  for (const listener of listeners) listener(change);
}

function receive(state: ThreadState, message: Message): void {
  const { role } = state;
  switch (message.type) {
    case "seek":
      if (role.type === "keeper") welcome(state);
      return;
    case "keeper":
      meet(state, message.id);
      return;
    case "gone":
      if (role.type === "guest" && role.keeper === message.id) seek(state);
      return;
    case "ask":
      if (role.type === "keeper" && message.to === state.id) void answer(state, role.memory, message);
      return;
    case "answer":
      if (message.to === state.id) settle(state, message);
      return;
    case "change":
      if (role.type === "guest" && message.from === role.keeper) notify(state, message.change);
  }
}

/** From now on this thread reports as the others do, before any of them is answered. */
function welcome(state: ThreadState): void {
  if (!state.shared) {
    state.shared = true;
    notify(state, { type: "back" });
  }
  send(state, { type: "keeper", id: state.id });
}

/** Of two keepers, the one with the lower id stays. */
function meet(state: ThreadState, id: number): void {
  const { role } = state;
  if (role.type === "keeper" && state.id < id) welcome(state);
  else if (role.type !== "guest" || role.keeper !== id) take(state, { type: "guest", keeper: id });
}

async function answer(state: ThreadState, memory: Store, asked: Extract<Message, { type: "ask" }>): Promise<void> {
  const { from: to, seq, operation, given } = asked;
  if (!state.shared) welcome(state);
  // What this thread has to report comes first.
  await Promise.resolve();
  try {
    send(state, { type: "answer", to, seq, value: await perform(memory, operation, given) });
  } catch (error) {
    send(state, { type: "answer", to, seq, value: undefined, error: String(error) });
  }
}

function settle({ waiting }: ThreadState, { seq, value, error }: Extract<Message, { type: "answer" }>): void {
  const one = waiting.get(seq);
  if (one === undefined) return;
  waiting.delete(seq);
  clearTimeout(one.timer);
  if (error === undefined) one.resolve(value);
  else one.reject(new Error(error));
}

/** Takes part no more; from now on the store is this one's own. */
function part(state: ThreadState): void {
  if (state.parted) return;
  if (current === state) current = undefined;
  clearTimeout(state.seekTimer);
  if (state.role.type === "keeper") send(state, { type: "gone", id: state.id });
  state.parted = true;
  state.shared = false;
  state.channel.close();
  if (state.role.type !== "keeper") keep(state);
}

function close(state: ThreadState): void {
  part(state);
  for (const { timer } of state.waiting.values()) clearTimeout(timer);
  state.waiting.clear();
  state.listeners.clear();
}
