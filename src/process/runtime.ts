import { setTimeout } from "node:timers";
import type { BudgetRequest } from "../breaker/budgets/requests.ts";
import { readEnvironment } from "../config/config.ts";
import type { SettledCall } from "../core/call.ts";
import type { Faults } from "../core/faults.ts";
import type { Ledger } from "../core/ledger.ts";
import type { Approve } from "../guard/approval.ts";
import { type BudgetUse, useOf } from "../guard/budgets/budget-counter.ts";
import type { Remaining } from "../guard/budgets/remaining.ts";
import { finalise } from "../guard/finalise.ts";
import { currentNode } from "../meter/identity/identify.ts";
import type { Scoping } from "../meter/identity/scoping.ts";
import { SCOPE_VARIABLE } from "../meter/propagation/baggage.ts";
import type { Propagation } from "../meter/propagation/propagation.ts";
import { expireClaims } from "../meter/tracing/span-claim.ts";
import { wrapFetch } from "../meter/transports/fetch/hook.ts";
import { openPassing, type PassingOptions, type PassingSocket } from "../meter/transports/websocket/passing.ts";
import type { ChargeInput } from "../pricing/charge.ts";
import { type BudgetOrder, chargeHere, remainingHere, requestHere, type WaitOptions } from "./charging.ts";
import type { ConfigSource } from "./configuration.ts";
import { sharedRuntime, shareThroughFetch } from "./copies.ts";
import { isGuarded } from "./enforcement.ts";
import type { OutcomeUse } from "./outcomes/outcomes.ts";
import {
  assembleParts,
  closeParts,
  createProcessState,
  openExport,
  openForCalls,
  type ProcessState,
  reconfigure,
  reload,
  settleNow,
} from "./process-state.ts";
import { adoptToldUse, type ToldUse } from "./programs/adopt-report.ts";
import type { Forward } from "./programs/forward.ts";

/** What `start()` takes: every key of `spendfuse.config.json`, and how to start. */
export interface StartOptions extends ConfigSource {
  /** False: the hook, the ledger and `onCall` alone, without loading OpenTelemetry. Default true. */
  readonly telemetry?: boolean;
}

/** Milliseconds for the first lines of an app. While Node reads its files, an immediate would come before them. */
const FIRST_LINES_MS = 10;

/** Everything of one process. All copies of the package share the first one's, so that each call is metered once. */
export interface Runtime {
  readonly scoping: Scoping;
  readonly propagation: Propagation;
  readonly listeners: Set<(call: SettledCall) => unknown>;
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly approvers: Set<Approve>;
  /** Usage of the budgets that this process has counted. */
  budgets(): readonly BudgetUse[];
  /** What is left of the budgets that apply to the scope that it is called in. Never rejects. */
  remaining(): Promise<readonly Remaining[]>;
  /** Asks an operator for a raise, and waits for the answer as long as the options say. */
  requestBudget(order: BudgetOrder, options?: WaitOptions): Promise<BudgetRequest>;
  /** The address of the breaker inside this process, if there is one. */
  breakerUrl(): string | undefined;
  /** What `node --import spendfuse/register` does: the hook at once, everything else later; never throws. */
  register(): void;
  start(options: StartOptions): Promise<void>;
  stop(): Promise<void>;
  flush(): Promise<void>;
  /** Settles calls that are open, in this turn of the event loop, as at the end of a process. */
  settleOpen(): void;
  /** Looks now for calls that have settled since, as otherwise every few seconds. Never rejects. */
  settle(): Promise<void>;
  /** Counts money that is no model call's. @throws SpendfuseError `SPENDFUSE_CHARGE` */
  charge(input: ChargeInput): void;
  /** Accounts for what a program says that it has used, in the scope that it is called in; for one whose calls were not metered. */
  adoptReport(told: ToldUse): void;
  /** Says what came of the scope that it is called in. @throws SpendfuseError `SPENDFUSE_USAGE` */
  outcome(name: string): boolean;
  outcomes(): readonly OutcomeUse[];
  wrapFetch(inner: typeof fetch): typeof fetch;
  /** Meters a WebSocket that someone else carries, in the scope of the caller; undefined for one that goes to no model. */
  openSocket(options: PassingOptions): PassingSocket | undefined;
  finalise<T>(fn: () => T): T;
  /** Reads the configuration again, and takes its budgets. @throws SpendfuseError `SPENDFUSE_CONFIG`, and changes nothing */
  reload(): void;
}

/** The one runtime of this process. */
export function theRuntime(): Runtime {
  return sharedRuntime(createOwn);
}

function createOwn(): Runtime {
  return createRuntime(warn);
}

function warn(message: string): void {
  process.stderr.write(`spendfuse: ${message}\n`);
}

/** @param forward Takes what is seen to another thread, which accounts for it. */
export function createRuntime(say: (message: string) => void, forward?: Forward): Runtime {
  const state = createProcessState(say, forward);
  const runtime: Runtime = {
    scoping: state.scoping,
    propagation: state.propagation,
    listeners: state.listeners,
    ledger: state.ledger,
    faults: state.faults,
    approvers: state.approvers,
    budgets: () => [...(state.parts?.enforcement?.counts ?? [])].map(useOf),
    remaining: () => remainingHere(state),
    requestBudget: (order, options) => requestHere(state, order, options),
    breakerUrl: () => state.parts?.enforcement?.breakerUrl(),
    register: () => register(state, runtime),
    start: (options) => start(state, runtime, options),
    stop: () => stop(state),
    flush: () => flush(state),
    settleOpen: () => settleNow(state),
    settle: async () => state.parts?.settler?.settle(),
    charge: (input) => chargeHere(state, input),
    adoptReport: (told) => adoptToldUse(openForCalls(state), currentNode(state.identifier), told),
    outcome: (name) => state.outcomes.mark(state.contexts.current()?.work, name),
    outcomes: () => state.outcomes.uses(),
    wrapFetch: (inner) => wrapFetch(state.meter, inner),
    openSocket: (options) => openPassing(state.meter, options),
    finalise,
    reload: () => void reload(state),
  };
  return runtime;
}

function register(state: ProcessState, runtime: Runtime): void {
  const { configuration, faults, installation } = state;
  configuration.check();
  faults.guard("config", installation.install);
  enterStarter(state);
  shareThroughFetch(runtime);
  state.exports = true;
  setTimeout(() => openBeforeCalls(state), FIRST_LINES_MS);
}

/** What the first call would open by itself; a store, or a breaker, takes a while to answer. */
function openBeforeCalls(state: ProcessState): void {
  const { configuration, faults } = state;
  faults.guard("exporter", () => openExport(state));
  faults.guard("identity", () => acceptScopes(state));
  faults.guard("guard", () => isGuarded(configuration.get()) && assembleParts(state));
}

async function start(
  state: ProcessState,
  runtime: Runtime,
  { telemetry = true, ...source }: StartOptions,
): Promise<void> {
  const { configuration, installation } = state;
  const asks = Object.values(source).some((value) => value !== undefined);
  if (configuration.known === undefined || asks) reconfigure(state, source);
  installation.install();
  enterStarter(state);
  shareThroughFetch(runtime);
  acceptScopes(state);
  if (isGuarded(configuration.get())) await assembleParts(state).enforcement?.ready;
  if (!telemetry) return;
  state.exports = true;
  openExport(state);
}

/** Puts this process into the scope that it was started in. The thread of the proxy is told that of each program. */
function enterStarter(state: ProcessState): void {
  const around = state.isInside || state.forward !== undefined ? undefined : readEnvironment()[SCOPE_VARIABLE];
  if (!around) return;
  state.isInside = true;
  state.propagation.adopt(around);
}

function acceptScopes({ propagation, configuration }: ProcessState): void {
  propagation.accept(configuration.get().baggage?.accept === true);
}

async function stop(state: ProcessState): Promise<void> {
  state.installation.remove();
  state.propagation.accept(false);
  state.programs.settle();
  await flush(state);
  await state.telemetry?.stop();
  await state.programs.close();
  await closeParts(state);
  state.exports = false;
  state.begun = false;
}

async function flush(state: ProcessState): Promise<void> {
  const { meter } = state;
  state.started.conclude();
  const { parts } = state;
  if (parts === undefined) return;
  meter.settleOpen();
  await parts.prices.drained();
  expireClaims();
  await parts.journal?.flush();
  await state.telemetry?.flush();
}
