import type { SettledCall } from "../core/call.ts";
import { createFaults, type Faults } from "../core/faults.ts";
import { createLedger, type Ledger } from "../core/ledger.ts";
import { NO_TAGS } from "../core/tags/tags.ts";
import type { Approve } from "../guard/approval.ts";
import { type CallMeter, createCallMeter } from "../meter/call/call-meter.ts";
import * as frameworks from "../meter/identity/frameworks/registry.ts";
import { createIdentifier, type Identifier, listenToFrameworks } from "../meter/identity/identify.ts";
import { createScoping, type Scoping } from "../meter/identity/scoping.ts";
import { createNameWatch, createTagWarning } from "../meter/identity/tag-collisions.ts";
import { createPropagation, type Propagation } from "../meter/propagation/propagation.ts";
import { createVendorGuard } from "../meter/propagation/vendor-guard.ts";
import { type Contexts, createContexts } from "../meter/tracing/context.ts";
import { expireClaims } from "../meter/tracing/span-claim.ts";
import { createTracing, type Tracing, type TracingSettings } from "../meter/tracing/tracing.ts";
import { createBypassWatch } from "../meter/transports/bypass/watch.ts";
import { createInstallation, type Installation } from "../meter/transports/installation.ts";
import * as transports from "../meter/transports/registry.ts";
import { VERSION } from "../package/version.ts";
import { assemble, type Parts } from "./assembly.ts";
import { type ConfigSource, type Configuration, createConfiguration } from "./configuration.ts";
import { createDebugLog, isDebugging } from "./debug-log.ts";
import { createOutcomes, type Outcomes } from "./outcomes/outcomes.ts";
import { adoptReport } from "./programs/adopt-report.ts";
import type { Forward } from "./programs/forward.ts";
import { createProgramProxy, type ProgramProxy } from "./programs/program-proxy.ts";
import { createStartedPrograms, programScope, type StartedPrograms } from "./programs/started-programs.ts";
import { printSummary } from "./summary/summary.ts";
import { openTelemetry, type Telemetry } from "./telemetry.ts";

/** The state of one process: what exists from the start, and what the configuration opens. */
export interface ProcessState {
  /** Writes a line on stderr. */
  readonly say: (message: string) => void;
  readonly forward: Forward | undefined;
  /** The proxy for programs that this process starts, and those that have not ended. */
  readonly programs: ProgramProxy;
  readonly started: StartedPrograms;
  readonly faults: Faults;
  readonly ledger: Ledger;
  readonly listeners: Set<(call: SettledCall) => unknown>;
  readonly approvers: Set<Approve>;
  readonly configuration: Configuration;
  readonly tracing: Tracing;
  readonly contexts: Contexts;
  readonly identifier: Identifier;
  readonly outcomes: Outcomes;
  readonly scoping: Scoping;
  readonly propagation: Propagation;
  readonly meter: CallMeter;
  readonly installation: Installation;
  /** What exports; undefined until something is exported. */
  telemetry: Telemetry | undefined;
  /** What the first call needs; undefined before it. */
  parts: Parts | undefined;
  /** Whether to export what no other provider exports. */
  exports: boolean;
  /** A call or an agent's span was begun with the configuration as it is. */
  begun: boolean;
  /** The scope in which this process was started is around all of it. */
  isInside: boolean;
}

/** @param forward Takes what is seen to another thread; see `programs/thread.ts`. */
export function createProcessState(say: (message: string) => void, forward?: Forward): ProcessState {
  const faults = createFaults(say, isDebugging);
  const contexts = createContexts();
  const configuration = createConfiguration(faults, say, contexts.setDefaults);
  const tracing = createTracing(() => readTracingSettings(state), faults);
  const identifier = createIdentifier({
    frameworks: Object.values(frameworks),
    contexts,
    faults,
    watchName: createNameWatch(say),
    declaredTags: () => configuration.get().tags ?? NO_TAGS,
    onUndeclaredTag: createTagWarning(say),
  });
  const ledger = createLedger();
  const outcomes = createOutcomes(ledger, () => state.parts?.outcomes, faults);
  const scoping = createScoping(contexts, tracing, faults, identifier, outcomes);
  const propagation = createPropagation({
    contexts,
    identifier,
    scoping,
    faults,
    isModelHost: (host) => meter.lookup()(host) !== undefined,
    isCall: () => meter.inFlight.isMetered(),
    settings: () => configuration.get().baggage,
  });
  const meter = createCallMeter({
    contexts,
    identifier,
    faults,
    tracing,
    settings: configuration.calls,
    services: () => openForCalls(state).services,
    escort: propagation.escort,
    startProgram: (start) => started.start(start),
    child: forward?.child,
    scopeForChildren: () => propagation.inject<{ baggage?: string }>({}).baggage,
  });
  const programs = createProgramProxy({
    config: configuration.get,
    baggage: () => propagation.inject<{ baggage?: string }>({}).baggage,
    adopt: (call, parts, node) => openForCalls(state).recorder.adopt(call, parts, node),
    blocked: (scope, reason, mode) => openForCalls(state).instruments.blocked(scope, reason, mode),
    approvers: () => state.approvers,
    reached: (child, call) => started.reached(child, call),
    say,
    faults,
  });
  const started = createStartedPrograms({
    proxy: programs,
    ...programScope(identifier, tracing, configuration.get, (node) => state.parts?.enforcement?.leftUsd(node)),
    record: (call, parts, node) => adoptReport(openForCalls(state), call, parts, node),
    prices: () => openForCalls(state).prices,
    unmetered: (host) => openForCalls(state).instruments.unmetered(host),
    say,
    debug: (line) => isDebugging() && say(`debug: ${line}`),
    faults,
  });
  const installation = createInstallation(meter, Object.values(transports), [
    () => listenToFrameworks(identifier),
    createVendorGuard(propagation.mayCarry, faults),
    createBypassWatch(meter, say, (host) => openForCalls(state).instruments.unmetered(host)),
  ]);
  const state: ProcessState = {
    say,
    forward,
    programs,
    started,
    faults,
    ledger,
    outcomes,
    listeners: new Set(isDebugging() && forward === undefined ? [createDebugLog(say)] : []),
    approvers: new Set(forward === undefined ? [] : [forward.approve]),
    configuration,
    tracing,
    contexts,
    identifier,
    scoping,
    propagation,
    meter,
    installation,
    telemetry: undefined,
    parts: undefined,
    exports: false,
    begun: false,
    isInside: false,
  };
  return state;
}

function readTracingSettings(state: ProcessState): TracingSettings {
  const { spans } = state.configuration.get();
  state.begun ||= state.exports;
  openExport(state);
  return { enabled: spans !== false, ownTracer: state.telemetry?.tracer };
}

/** Replaces the configuration, which is only possible before the first call. */
export function reconfigure(state: ProcessState, source: ConfigSource): void {
  if (state.begun) {
    state.say("start() came after the first model call: its configuration is ignored");
    return;
  }
  state.configuration.replace(source);
  state.telemetry?.discard();
  void closeParts(state);
}

/** What the first call needs, made from the configuration as it is by then. */
export function assembleParts(state: ProcessState): Parts {
  const { configuration, faults, ledger, listeners, approvers, say } = state;
  state.parts ??= assemble({
    config: configuration.get(),
    faults,
    ledger,
    listeners,
    approvers,
    say,
    processName: () => configuration.slot().get().name,
    stateDir: configuration.stateDir,
    spoolPending: () => state.telemetry?.pending(),
    tracing: state.tracing,
    forward: state.forward,
    outcomes: state.outcomes,
    reload: () => reload(state),
  });
  return state.parts;
}

/**
 * Reads the configuration again, and takes its budgets. Returns what it did, for people.
 * @throws SpendfuseError `SPENDFUSE_CONFIG`; nothing has changed then
 */
export function reload({ configuration, parts, say }: ProcessState): string {
  const { config, restart } = configuration.reload();
  parts?.enforcement?.replaceBudgets(config.caps);
  const other = restart.length === 0 ? "" : `; ${restart.join(", ")} changed too, which takes a restart`;
  const count = config.budgets?.length ?? 0;
  const told = `configuration read again: ${count} budget${count === 1 ? "" : "s"}${other}`;
  say(parts?.enforcement === undefined && count > 0 ? `${told}; without a guard before, budgets take a restart` : told);
  return told;
}

/** For a call that begins, or a charge: from now on the configuration is fixed, and what is counted is exported. */
export function openForCalls(state: ProcessState): Parts {
  const { begun, parts, telemetry, exports, faults } = state;
  if (!begun || parts === undefined || (telemetry === undefined && exports)) {
    state.begun = true;
    faults.guard("exporter", () => openExport(state));
  }
  const made = parts ?? assembleParts(state);
  // An agent's span may have opened all else before the first call.
  if (!made.prices.ready) made.prices.load();
  return made;
}

/** The first model call or agent needs it, or else it opens when the app's first lines have run. */
export function openExport(state: ProcessState): void {
  const { configuration, faults, say } = state;
  if (state.telemetry || !state.exports) return;
  const { instruments } = assembleParts(state);
  state.telemetry = openTelemetry({
    config: configuration.get(),
    version: VERSION,
    instruments,
    faults,
    slot: configuration.slot(),
    stateDir: configuration.stateDir(),
    warn: say,
    settle: () => settleNow(state),
    last: () => state.parts && printSummary(configuration.get(), state.parts, say),
  });
  state.tracing.reset();
}

/** Settles open calls, and prices deferred ones, in this turn of the event loop, because the process ends. */
export function settleNow({ meter, parts, programs, started }: ProcessState): void {
  programs.settle();
  started.conclude();
  meter.settleOpen();
  parts?.prices.drainNow();
  expireClaims();
  parts?.journal?.save();
  parts?.estimates.save();
}

/** Closes and drops what was made from the configuration. The journal writes to the guard's store for the last time. */
export async function closeParts(state: ProcessState): Promise<void> {
  const { parts } = state;
  state.parts = undefined;
  state.telemetry = undefined;
  state.tracing.reset();
  parts?.settler?.close();
  parts?.estimates.save();
  if (parts?.journal) await parts.journal.close();
  await parts?.enforcement?.close();
}
