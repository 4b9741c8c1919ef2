import { AsyncLocalStorage } from "node:async_hooks";
import { clearTimeout, setTimeout } from "node:timers";
import type { ScopeNode } from "../core/scope.ts";
import type { Ask, Passage } from "../limits/gate.ts";
import type { Blocked } from "./blocked.ts";

/** What calls wait for: a budget that is spent, a throttle, or a circuit that an operator opened. */
export interface Cause {
  /** Equal for the same budget, scope and run, or for the same circuit. */
  readonly key: string;
  readonly blocked: Blocked;
  /** When it ends by itself, in milliseconds since the epoch. */
  readonly until: number | undefined;
  /** The name of the budget that slows calls down: then they wait as long as it takes. */
  readonly throttle?: string;
  /** Nothing holds the first call of the line yet: it is checked at once, and those that come meanwhile wait behind it. */
  readonly asks?: true;
  applies(node: ScopeNode): boolean;
}

/** The calls that wait for one cause, in the order in which they came. */
interface Line {
  cause: Cause;
  readonly calls: Set<WaitingCall>;
  /** The latest deadline of any of them so far. */
  latest: number;
  timer: NodeJS.Timeout | undefined;
  /** Whether its first call is being checked; and whether something happened since. */
  checking: boolean;
  again: boolean;
}

interface WaitingCall {
  readonly ask: Ask;
  readonly inContext: ReturnType<typeof AsyncLocalStorage.snapshot>;
  /** When it came, and until when it waits for what is spent or paused, in milliseconds of `performance.now()`. */
  readonly cameAt: number;
  readonly deadline: number;
  readonly resolve: (passage: Passage) => void;
  readonly giveUp: () => void;
  line: Line;
  /** Something has held it. */
  held: boolean;
}

export interface WaitingOptions {
  /** How long a call waits for what is spent or paused, in milliseconds. */
  readonly waitMs: number;
  readonly clock: () => number;
  /** Checks a call again. Where it still has to wait, {@link Waiting.wait} returns `STILL` for it. */
  readonly check: (ask: Ask) => Passage | Promise<Passage>;
  readonly refuse: (ask: Ask, blocked: Blocked) => Passage;
  readonly onFault: (error: unknown) => void;
}

/** Calls that wait until a budget or circuit lets them go on. Only the first of each line is ever checked. */
export interface Waiting {
  /** A call that comes while others wait for a cause of its own waits behind them; undefined where none do. */
  join(ask: Ask): Promise<Passage> | undefined;
  wait(ask: Ask, cause: Cause): Passage | Promise<Passage>;
  /** Whether a call is in a line. */
  has(ask: Ask): boolean;
  /** How long a call that a throttle has held waited. */
  throttledFor(ask: Ask): Throttled | undefined;
  /** Something may have changed: a cap, a circuit, what other calls hold. */
  wake(): void;
  /** Refuses all. */
  close(): void;
}

/** A call was slowed down by a budget. */
export interface Throttled {
  readonly budget: string;
  readonly waitedMs: number;
}

const STILL: Passage = {
  pass: false,
  refusal: () => {
    throw new Error("the call still waits");
  },
};
/** Sent as it is: its signal is aborted, so that nothing leaves and the caller gets the runtime's own error. */
export const ABORTED: Passage = { pass: true, ticket: undefined };
/** How often the first call of a line asks again, for what no event tells: amounts that other processes release. */
const ASK_MS = 5_000;
/** The longest delay of a timer. */
const MAX_DELAY_MS = 2 ** 31 - 1;

interface WaitingState {
  readonly options: WaitingOptions;
  readonly lines: Map<string, Line>;
  readonly callOf: Map<Ask, WaitingCall>;
  /** When calls came that may still have to wait: the store may answer a later one first. `performance.now()`. */
  readonly cameAt: WeakMap<Ask, number>;
}

export function createWaiting(options: WaitingOptions): Waiting {
  const state: WaitingState = { options, lines: new Map(), callOf: new Map(), cameAt: new WeakMap() };
  return {
    join(ask) {
      for (const line of state.lines.values()) if (line.cause.applies(ask.node)) return enter(state, line, ask);
      state.cameAt.set(ask, performance.now());
      return undefined;
    },
    wait(ask, cause) {
      const line = lineOf(state, cause);
      const waiting = state.callOf.get(ask);
      if (waiting === undefined) return enter(state, line, ask);
      waiting.held = true;
      if (waiting.line !== line) move(state, waiting, line);
      return STILL;
    },
    has: (ask) => state.callOf.has(ask),
    throttledFor(ask) {
      const call = state.callOf.get(ask);
      const budget = call?.line.cause.throttle;
      return call?.held && budget !== undefined ? { budget, waitedMs: performance.now() - call.cameAt } : undefined;
    },
    wake() {
      for (const line of state.lines.values()) wakeLine(state, line);
    },
    close() {
      for (const call of [...state.callOf.values()]) call.giveUp();
    },
  };
}

function lineOf({ lines }: WaitingState, cause: Cause): Line {
  let line = lines.get(cause.key);
  if (line === undefined) {
    line = { cause, calls: new Set(), latest: 0, timer: undefined, checking: false, again: false };
    lines.set(cause.key, line);
  }
  line.cause = cause;
  return line;
}

function enter(state: WaitingState, line: Line, ask: Ask): Promise<Passage> {
  const { waitMs, refuse } = state.options;
  const { signal } = ask;
  if (signal?.aborted === true) return Promise.resolve(ABORTED);
  return new Promise((resolve) => {
    const onAbort = (): void => finish(ABORTED);
    function finish(passage: Passage): void {
      signal?.removeEventListener("abort", onAbort);
      state.callOf.delete(ask);
      leave(state, call);
      resolve(passage);
    }
    const cameAt = state.cameAt.get(ask) ?? performance.now();
    const call: WaitingCall = {
      ask,
      cameAt,
      inContext: AsyncLocalStorage.snapshot(),
      deadline: cameAt + waitMs,
      resolve: finish,
      giveUp: () => finish(refuse(ask, call.line.cause.blocked)),
      line,
      held: line.cause.asks === undefined || line.calls.size > 0,
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    state.callOf.set(ask, call);
    place(line, call);
    if (call.held) schedule(state, line);
    else wakeLine(state, line);
  });
}

function move(state: WaitingState, call: WaitingCall, line: Line): void {
  leave(state, call);
  call.line = line;
  place(line, call);
  state.lines.set(line.cause.key, line);
  schedule(state, line);
}

/** Puts a call before those that came after it. */
function place(line: Line, call: WaitingCall): void {
  if (call.deadline >= line.latest) {
    line.latest = call.deadline;
    line.calls.add(call);
    return;
  }
  const after = [...line.calls].filter(({ deadline }) => deadline > call.deadline);
  for (const one of after) line.calls.delete(one);
  for (const one of [call, ...after]) line.calls.add(one);
}

function leave(state: WaitingState, call: WaitingCall): void {
  const { line } = call;
  line.calls.delete(call);
  if (line.calls.size > 0) return;
  clearTimeout(line.timer);
  line.timer = undefined;
  if (state.lines.get(line.cause.key) === line) state.lines.delete(line.cause.key);
}

/** One timer a line: for the end of its cause, the deadline of its first call, or to ask again. */
function schedule(state: WaitingState, line: Line): void {
  if (line.timer !== undefined || line.calls.size === 0) return;
  const [first] = line.calls as Iterable<WaitingCall> as [WaitingCall];
  const untilEnd = (line.cause.until ?? Number.POSITIVE_INFINITY) - state.options.clock();
  const ms = Math.min(Math.max(untilEnd, 1), deadlineOf(first) - performance.now(), ASK_MS, MAX_DELAY_MS);
  line.timer = setTimeout(
    () => {
      line.timer = undefined;
      wakeLine(state, line);
    },
    Math.max(Math.ceil(ms), 1),
  );
}

function deadlineOf({ line, deadline }: WaitingCall): number {
  return line.cause.throttle === undefined ? deadline : Number.POSITIVE_INFINITY;
}

function wakeLine(state: WaitingState, line: Line): void {
  line.again = true;
  if (line.checking) return;
  line.checking = true;
  serve(state, line).catch(state.options.onFault);
}

/** Lets calls go on, one after the other, until one still has to wait. */
async function serve(state: WaitingState, line: Line): Promise<void> {
  const { check, onFault } = state.options;
  try {
    while (line.again) {
      line.again = false;
      // Not in the turn of whatever woke it, whose own step may not be over.
      await Promise.resolve();
      for (const call of line.calls) {
        if (deadlineOf(call) <= performance.now()) {
          call.giveUp();
          continue;
        }
        const passage = await call.inContext(check, call.ask);
        const isGone = state.callOf.get(call.ask) !== call;
        if (isGone) {
          if (passage.pass) passage.ticket?.release();
        } else if (passage !== STILL) call.resolve(passage);
        else if (call.line === line) break;
      }
    }
  } catch (error) {
    onFault(error);
  } finally {
    line.checking = false;
    clearTimeout(line.timer);
    line.timer = undefined;
    schedule(state, line);
  }
}
