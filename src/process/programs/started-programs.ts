import { setTimeout } from "node:timers";
import type { Config } from "../../config/config.ts";
import type { CallPart, SettledCall } from "../../core/call.ts";
import type { Faults } from "../../core/faults.ts";
import type { ScopeNode } from "../../core/scope.ts";
import type { Past, ProgramReport, ProgramStart, StartedProgram } from "../../meter/call/started-program.ts";
import { currentNode, type Identifier } from "../../meter/identity/identify.ts";
import type { Tracing } from "../../meter/tracing/tracing.ts";
import type { PriceQueue } from "../../pricing/queue.ts";
import type { ProgramProxy } from "./program-proxy.ts";
import { createProgramSpans, type ProgramPlace, type ProgramSpans } from "./program-spans.ts";
import { differenceOf, turnOf } from "./program-turns.ts";

export interface StartedProgramsOptions {
  readonly proxy: Pick<ProgramProxy, "addresses" | "isBehind" | "drain">;
  /** The scope that we are called in. */
  readonly node: () => ScopeNode;
  /** What is left of the budgets of a scope, in USD, where programs are to be told; undefined where they are not. */
  readonly leftUsd: (node: ScopeNode) => number | undefined;
  /** Accounts for what a program says that it has used. */
  readonly record: (call: SettledCall, parts: readonly CallPart[], node: ScopeNode) => void;
  readonly spans: ProgramSpans;
  readonly prices: () => PriceQueue;
  readonly unmetered: (host: string) => void;
  readonly say: (line: string) => void;
  readonly debug: (line: string) => void;
  readonly faults: Faults;
}

/** The agent programs of this process: whether their calls reach the proxy, and what they say that these cost. */
export interface StartedPrograms {
  /** Undefined where another proxy of ours looks after it. */
  start(start: ProgramStart): StartedProgram | undefined;
  /** A program has sent a request, or a call of it has settled. */
  reached(child: string, call?: SettledCall): void;
  /** Decides now what is otherwise waited for. */
  conclude(): void;
}

/** One program, until it has ended. */
interface Running {
  readonly child: string;
  readonly start: ProgramStart;
  readonly node: ScopeNode;
  readonly place: ProgramPlace | undefined;
  readonly startedAt: number;
  /** It has an address of ours. */
  readonly isGuided: boolean;
  reached: boolean;
  /** USD of its calls through the proxy; undefined once one has no price. */
  usd: number | undefined;
  /** Reports that are not accounted for. */
  readonly waiting: ProgramReport[];
  /** The last report that is, which later ones go on from. */
  last: ProgramReport | undefined;
  /** It was counted, and said, that its calls go past us. */
  past: boolean;
  code: number | null | undefined;
  timer: NodeJS.Timeout | undefined;
}

interface State {
  readonly options: StartedProgramsOptions;
  readonly running: Map<string, Running>;
  /** Lines that were said. */
  readonly said: Set<string>;
  count: number;
}

/** The proxy's thread may tell of a call after the program has told what it cost. */
const LATE_MS = 1_000;
const MAX_SAID = 100;

/**
 * The scope that a program is started in, the spans of its calls, and what it has left, where the configuration has it told.
 * @param left What a scope has left in USD.
 */
export function programScope(
  identifier: Identifier,
  tracing: Tracing,
  config: () => Config,
  left: (node: ScopeNode) => number | undefined,
): Pick<StartedProgramsOptions, "node" | "leftUsd" | "spans"> {
  return {
    spans: createProgramSpans(identifier, tracing),
    node: () => currentNode(identifier),
    leftUsd: (node) => (config().proxy?.maxBudgetUsd === true ? left(node) : undefined),
  };
}

export function createStartedPrograms(options: StartedProgramsOptions): StartedPrograms {
  const state: State = { options, running: new Map(), said: new Set(), count: 0 };
  return {
    start: (start) => begin(state, start),
    reached(child, call) {
      const program = state.running.get(child);
      if (call !== undefined) options.faults.guard("span", () => options.spans.write(call, program?.place));
      if (program === undefined) return;
      program.reached = true;
      if (call === undefined || call.ending === "blocked") return;
      const free = call.status !== undefined && call.status >= 400;
      program.usd = call.costUsd === undefined && !free ? undefined : add(program.usd, call.costUsd ?? 0);
    },
    conclude() {
      options.proxy.drain();
      for (const program of [...state.running.values()]) settle(state, program);
    },
  };
}

function add(sum: number | undefined, more: number): number | undefined {
  return sum === undefined ? undefined : sum + more;
}

function begin(state: State, start: ProgramStart): StartedProgram | undefined {
  const { options, running } = state;
  if (options.proxy.isBehind()) return undefined;
  const child = (state.count++).toString(36);
  const addresses = options.proxy.addresses(child);
  const program: Running = {
    child,
    start,
    node: options.node(),
    place: options.faults.guard("span", options.spans.place),
    startedAt: Date.now(),
    isGuided: addresses !== undefined,
    reached: false,
    usd: 0,
    waiting: [],
    last: undefined,
    past: false,
    code: undefined,
    timer: undefined,
  };
  running.set(child, program);
  return {
    addresses,
    leftUsd: options.faults.guard("guard", () => options.leftUsd(program.node)),
    past: (why) => goPast(state, program, why),
    report(report) {
      program.waiting.push(report);
      wait(state, program);
    },
    ended(code) {
      program.code = code;
      // Before the app goes on, whose agent's span may end then.
      options.proxy.drain();
      wait(state, program);
    },
  };
}

/** Does not keep the process alive: what ends before is decided by `conclude`. */
function wait(state: State, program: Running): void {
  program.timer ??= setTimeout(() => {
    program.timer = undefined;
    state.options.proxy.drain();
    settle(state, program);
  }, LATE_MS).unref();
}

function settle(state: State, program: Running): void {
  const { options, running } = state;
  const { start, waiting, code } = program;
  for (const report of waiting.splice(0)) options.faults.guard("settle", () => take(state, program, report));
  if (code === undefined) return;
  running.delete(program.child);
  const calls = program.reached;
  if (!calls && code === 0 && start.asks && program.last === undefined) goPast(state, program, unseen(program));
  if (!calls || program.last?.usd === undefined || start.resumes || program.usd === undefined) return;
  options.debug(differenceOf(start.name, program.usd, program.last.usd));
}

/** A report of calls that were metered is for comparison alone. */
function take(state: State, program: Running, report: ProgramReport): void {
  const { options } = state;
  const { start, node, startedAt, last } = program;
  // After a crash a program may say that it has used nothing.
  if (last !== undefined && report.usd === 0) return;
  program.last = report;
  if (program.reached) return;
  if (!program.past) goPast(state, program, unseen(program));
  // Its first report has the earlier session in it, which nobody can take out.
  if (last === undefined && start.resumes) return;
  const prices = options.prices();
  prices.run(() => {
    const turn = turnOf({ report, last, start, node, startedAt, price: prices.price, now: Date.now() });
    if (turn === undefined) return;
    options.faults.guard("span", () => options.spans.write(turn.call, program.place));
    options.record(turn.call, turn.parts, node);
  });
}

function unseen({ start: { host }, isGuided }: Running): Past {
  if (!isGuided) return { host, reason: "the proxy for programs did not start", fix: "see the line before" };
  const reason = "none reached the proxy whose address it was given";
  const fix =
    "do not start it by what clears the environment, such as env -i, and look for an address in its own settings";
  return { host, reason, fix };
}

/** Counted for each program, said once for each reason. */
function goPast({ options, said }: State, program: Running, { host, reason, fix }: Past): void {
  if (program.past) return;
  program.past = true;
  options.faults.guard("bypass", () => options.unmetered(host));
  const line = `calls of ${program.start.name} are not metered: ${reason}; ${fix}. spendfuse.unmetered_calls counts such programs`;
  if (said.has(line) || said.size >= MAX_SAID) return;
  said.add(line);
  options.say(line);
}
