import type { SettledCall } from "../core/call.ts";
import { createFaults, type Faults } from "../core/faults.ts";
import { createLedger, type Ledger } from "../core/ledger.ts";
import type { Approve } from "../guard/approval.ts";
import { type BudgetUse, useOf } from "../guard/budgets/budget-counter.ts";
import { finalise } from "../guard/finalise.ts";
import { createCallMeter } from "../meter/call/call-meter.ts";
import * as frameworks from "../meter/identity/frameworks/registry.ts";
import { createIdentifier } from "../meter/identity/identify.ts";
import { createScoping, type Scoping } from "../meter/identity/scoping.ts";
import { createNameWatch } from "../meter/identity/tag-collisions.ts";
import { createPropagation, type Propagation } from "../meter/propagation/propagation.ts";
import { createVendorGuard } from "../meter/propagation/vendor-guard.ts";
import { createContexts } from "../meter/tracing/context.ts";
import { expireClaims } from "../meter/tracing/span-claim.ts";
import { createTracing } from "../meter/tracing/tracing.ts";
import { createBypassWatch } from "../meter/transports/bypass/watch.ts";
import { HOOKED, wrapFetch } from "../meter/transports/fetch/hook.ts";
import { createInstallation } from "../meter/transports/installation.ts";
import * as transports from "../meter/transports/registry.ts";
import { VERSION } from "../package/version.ts";
import { assemble, type Parts } from "./assembly.ts";
import { type ConfigSource, createConfiguration } from "./configuration.ts";
import { isGuarded } from "./enforcement.ts";
import { openTelemetry, type Telemetry } from "./telemetry.ts";

/** What `start()` takes: every key of `spendfuse.config.json`, and how to start. */
export interface StartOptions extends ConfigSource {
  /** False: the hook, the ledger and `onCall` alone, without loading OpenTelemetry. Default true. */
  readonly telemetry?: boolean;
}

/** Everything of one process. All copies of the package share the first one's, so that each call is metered once. */
export interface Runtime {
  readonly scoping: Scoping;
  readonly propagation: Propagation;
  readonly listeners: Set<(call: SettledCall) => unknown>;
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly approvers: Set<Approve>;
  /** How far the budgets are used that this process has counted for. */
  budgets(): readonly BudgetUse[];
  /** Where the breaker inside this process listens, if there is one. */
  breakerUrl(): string | undefined;
  /** What `node --import spendfuse/register` does: the hook at once, everything else later; never throws. */
  register(): void;
  start(options: StartOptions): Promise<void>;
  stop(): Promise<void>;
  flush(): Promise<void>;
  wrapFetch(inner: typeof fetch): typeof fetch;
  finalise<T>(fn: () => T): T;
}

const RUNTIME = Symbol.for("spendfuse.runtime.1");

/** The runtime of another realm, once found. Not kept on `globalThis`: Jest takes apart what is there after a test file. */
let shared: Runtime | undefined;

/**
 * The one runtime of this process. In a realm of its own, as Jest gives each test file: the runtime that hooks the
 * `fetch` of that realm, where one does, and otherwise the realm's own.
 */
export function theRuntime(): Runtime {
  const slots = globalThis as { [RUNTIME]?: Runtime; readonly fetch?: { readonly [RUNTIME]?: Runtime } };
  if (slots[RUNTIME] !== undefined) return slots[RUNTIME];
  shared ??= slots.fetch?.[RUNTIME];
  if (shared !== undefined) return shared;
  slots[RUNTIME] = createRuntime(warn);
  return slots[RUNTIME];
}

/** Lets copies of the package in other realms find `runtime` through the hooked `fetch` that they are given. */
function shareThroughFetch(runtime: Runtime): void {
  const { fetch } = globalThis;
  if (typeof fetch !== "function" || !(HOOKED in fetch) || RUNTIME in fetch) return;
  Object.defineProperty(fetch, RUNTIME, { value: runtime });
}

function warn(message: string): void {
  process.stderr.write(`spendfuse: ${message}\n`);
}

export function createRuntime(say: (message: string) => void): Runtime {
  const faults = createFaults(say);
  const ledger = createLedger();
  const contexts = createContexts();
  const listeners = new Set<(call: SettledCall) => unknown>();
  const approvers = new Set<Approve>();
  let telemetry: Telemetry | undefined;
  /** Whether we are to export what nobody else does. */
  let exports = false;
  /** A call or an agent's span was begun with the configuration as it is. */
  let begun = false;
  let parts: Parts | undefined;
  const configuration = createConfiguration(faults, say, contexts.setDefaults);

  const tracing = createTracing(() => {
    const { spans } = configuration.get();
    begun ||= exports;
    openExport();
    return { enabled: spans !== false, ownTracer: telemetry?.tracer };
  }, faults);
  const identifier = createIdentifier({
    frameworks: Object.values(frameworks),
    contexts,
    faults,
    watchName: createNameWatch(say),
  });
  const scoping = createScoping(contexts, tracing, faults, identifier);
  const propagation = createPropagation({
    contexts,
    identifier,
    scoping,
    faults,
    isModelHost: (host) => meter.lookup()(host) !== undefined,
    isCall: () => meter.inFlight.isMetered(),
    settings: () => configuration.get().baggage,
  });

  /** Until the first call, what `register` began with can still be replaced. */
  function reconfigure(source: ConfigSource): void {
    if (begun) {
      say("start() came after the first model call: its configuration is ignored");
      return;
    }
    configuration.replace(source);
    telemetry?.discard();
    telemetry = undefined;
    tracing.reset();
    void closeParts(parts);
    parts = undefined;
  }

  /** What the first call needs, made from the configuration as it is by then. */
  function assembled(): Parts {
    const config = configuration.get();
    parts ??= assemble({
      config,
      faults,
      ledger,
      listeners,
      approvers,
      say,
      instance: () => configuration.slot().get().name,
      spoolPending: () => telemetry?.pending(),
    });
    return parts;
  }

  /** For a call that begins: from now on the configuration stays as it is, and what is counted is exported. */
  function opened(): Parts {
    if (begun && parts !== undefined && (telemetry !== undefined || !exports)) return parts;
    begun = true;
    faults.guard("exporter", openExport);
    const made = assembled();
    made.prices.load();
    return made;
  }

  const meter = createCallMeter({
    contexts,
    identifier,
    faults,
    tracing,
    settings: configuration.calls,
    services: () => opened().services,
    escort: propagation.escort,
  });

  const installation = createInstallation(meter, Object.values(transports), [
    identifier.listen,
    createVendorGuard(propagation.mayCarry, faults),
    createBypassWatch(meter, say, (host) => opened().instruments.unmetered(host)),
  ]);

  /** The first model call or agent needs it, or else it opens when the app's first lines have run. */
  function openExport(): void {
    if (telemetry || !exports) return;
    const { instruments, prices } = assembled();
    telemetry = openTelemetry({
      config: configuration.get(),
      version: VERSION,
      instruments,
      faults,
      slot: configuration.slot(),
      stateDir: configuration.stateDir(),
      warn: say,
      settle() {
        meter.settleOpen();
        prices.drainNow();
        expireClaims();
        parts?.journal?.save();
      },
    });
    tracing.reset();
  }

  function acceptScopes(): void {
    propagation.accept(configuration.get().baggage?.accept === true);
  }

  return {
    scoping,
    propagation,
    listeners,
    ledger,
    faults,
    approvers,
    budgets: () => [...(parts?.enforcement?.counts ?? [])].map(useOf),
    breakerUrl: () => parts?.enforcement?.breakerUrl(),
    register() {
      configuration.check();
      faults.guard("config", installation.install);
      shareThroughFetch(this);
      exports = true;
      setImmediate(() => faults.guard("exporter", openExport));
      setImmediate(() => faults.guard("identity", acceptScopes));
      // Before the first call: a store, or a breaker, takes a while to answer.
      setImmediate(() => faults.guard("guard", () => isGuarded(configuration.get()) && assembled()));
    },
    async start({ telemetry: exported = true, ...source }) {
      const asks = Object.values(source).some((value) => value !== undefined);
      if (configuration.known === undefined || asks) reconfigure(source);
      installation.install();
      shareThroughFetch(this);
      acceptScopes();
      if (isGuarded(configuration.get())) await assembled().enforcement?.ready;
      if (!exported) return;
      exports = true;
      openExport();
    },
    async stop() {
      installation.remove();
      propagation.accept(false);
      await this.flush();
      await telemetry?.stop();
      await closeParts(parts);
      parts = undefined;
      telemetry = undefined;
      tracing.reset();
      exports = false;
      begun = false;
    },
    async flush() {
      if (parts === undefined) return;
      meter.settleOpen();
      await parts.prices.drained();
      expireClaims();
      await parts.journal?.flush();
      await telemetry?.flush();
    },
    wrapFetch: (inner) => wrapFetch(meter, inner),
    finalise,
  };
}

/** The journal writes its last into the guard's store. */
async function closeParts({ journal, enforcement }: Partial<Parts> = {}): Promise<void> {
  if (journal) await journal.close();
  await enforcement?.close();
}
