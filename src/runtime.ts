import { assemble, type Parts, settingsOf } from "./assembly.ts";
import { type BreakerConfig, type Config, type ConfigFile, defaultConfig, readConfig } from "./config.ts";
import type { SettledCall } from "./core/call.ts";
import { createLedger, type Ledger } from "./core/ledger.ts";
import { isGuarded } from "./enforcement.ts";
import type { Approve } from "./guard/approval.ts";
import { type BudgetUse, useOf } from "./guard/count.ts";
import { createContexts } from "./meter/context.ts";
import { hostSlot, type LazySlot } from "./meter/export/host-slot.ts";
import { openState } from "./meter/export/state.ts";
import { createFaults, type Faults } from "./meter/faults.ts";
import { createHook, type HookSettings } from "./meter/hook.ts";
import { createIdentifier } from "./meter/identify.ts";
import * as frameworks from "./meter/identity/registry.ts";
import { createInstallation } from "./meter/installation.ts";
import { createNameWatch } from "./meter/name-watch.ts";
import { createScoping, type Scoping } from "./meter/scoping.ts";
import { createTracing } from "./meter/tracing.ts";
import { openTelemetry, type Telemetry } from "./telemetry.ts";
import { VERSION } from "./version.ts";

export interface StartOptions {
  /** Laid over the config file and the environment. */
  readonly config?: ConfigFile;
  /** False: the hook, the ledger and `onCall` alone, without loading OpenTelemetry. Default true. */
  readonly telemetry?: boolean;
  /** The same as `config.breaker`; `{ port }` runs a breaker inside this process. */
  readonly breaker?: BreakerConfig;
  /** The environment to read instead of `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Everything of one process. All copies of the package share the first one's, so that each call is metered once. */
export interface Runtime {
  readonly scoping: Scoping;
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
}

const RUNTIME = Symbol.for("spendfuse.runtime.1");

export function theRuntime(): Runtime {
  const slots = globalThis as { [RUNTIME]?: Runtime };
  slots[RUNTIME] ??= createRuntime(warn);
  return slots[RUNTIME];
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
  let config: Config | undefined;
  let parts: Parts | undefined;
  let settings: HookSettings | undefined;
  let state: { readonly dir: string | undefined } | undefined;

  const tracing = createTracing(
    () => {
      begun ||= exports;
      openExport();
      return telemetry?.tracer;
    },
    () => config?.spans !== false,
    faults,
  );
  const identifier = createIdentifier({
    frameworks: Object.values(frameworks),
    contexts,
    faults,
    watchName: createNameWatch(say),
  });
  const scoping = createScoping(contexts, tracing, faults, () => {
    configured();
    return identifier;
  });

  function configured(): Config {
    if (config === undefined) configure({});
    return config as Config;
  }

  /** Reads the configuration; a wrong one is said aloud and left out, because the app must run. */
  function configure(options: StartOptions): void {
    try {
      config = readConfig(options.config, options.env, say);
    } catch (error) {
      faults.report("config", error);
      config = defaultConfig(options.env);
    }
    contexts.setDefaults(config.defaults);
  }

  /** Until the first call, what `register` began with can still be replaced. */
  function reconfigure(options: StartOptions): void {
    if (begun) {
      say("start() came after the first model call: its config and env are ignored");
      return;
    }
    config = readConfig(options.config, options.env, say);
    contexts.setDefaults(config.defaults);
    telemetry?.discard();
    telemetry = undefined;
    void closeParts(parts);
    parts = undefined;
    settings = undefined;
    state = undefined;
  }

  /** What the first call needs, made from the configuration as it is by then. */
  function assembled(): Parts {
    const from = configured();
    parts ??= assemble({
      config: from,
      faults,
      ledger,
      listeners,
      approvers,
      say,
      instance: () => slot(from).get().name,
      spoolPending: () => telemetry?.pending(),
    });
    return parts;
  }

  const hook = createHook({
    contexts,
    identifier,
    faults,
    tracing,
    settings: () => {
      settings ??= settingsOf(configured());
      return settings;
    },
    gate: () => assembled().enforcement?.gate,
    forecast: (call) => assembled().forecaster.forecast(call),
    prices: () => assembled().prices.loaded(),
    onBegin() {
      begun = true;
      assembled().prices.load();
      faults.guard("exporter", openExport);
    },
    onSettled(call, state) {
      const { prices, recorder } = assembled();
      const ended = performance.now();
      prices.run(() => recorder.record(call, state, ended));
    },
    onSpanEnd(call) {
      const { prices, recorder } = assembled();
      // Without prices the call would look as if it had none.
      if (prices.ready) recorder.fillSpan(call);
    },
  });

  const installation = createInstallation(hook, [identifier.listen]);

  /** The first model call or agent needs it, or else it opens when the app's first lines have run. */
  function openExport(): void {
    if (telemetry || !exports) return;
    const { instruments, prices } = assembled();
    const from = configured();
    telemetry = openTelemetry({
      config: from,
      version: VERSION,
      instruments,
      faults,
      slot: slot(from),
      stateDir: stateDir(from),
      warn: say,
      settle() {
        hook.settleOpen();
        prices.drainNow();
        parts?.journal?.save();
      },
    });
  }

  function slot(from: Config): LazySlot {
    return hostSlot(stateDir(from));
  }

  function stateDir(from: Config): string | undefined {
    state ??= { dir: openState(from.env.SPENDFUSE_STATE_DIR) };
    return state.dir;
  }

  return {
    scoping,
    listeners,
    ledger,
    faults,
    approvers,
    budgets: () => [...(parts?.enforcement?.counts ?? [])].map(useOf),
    breakerUrl: () => parts?.enforcement?.breakerUrl(),
    register() {
      faults.guard("config", installation.install);
      exports = true;
      setImmediate(() => faults.guard("exporter", openExport));
      // Before the first call: a store, or a breaker, takes a while to answer.
      setImmediate(() => faults.guard("guard", () => isGuarded(configured()) && assembled()));
    },
    async start({ breaker, ...given }) {
      const options = breaker === undefined ? given : { ...given, config: { ...given.config, breaker } };
      if (config === undefined || options.config || options.env) reconfigure(options);
      installation.install();
      if (isGuarded(configured())) await assembled().enforcement?.ready;
      if (options.telemetry === false) return;
      exports = true;
      openExport();
    },
    async stop() {
      installation.remove();
      await this.flush();
      await telemetry?.stop();
      await closeParts(parts);
      parts = undefined;
      telemetry = undefined;
      exports = false;
      begun = false;
    },
    async flush() {
      if (parts === undefined) return;
      hook.settleOpen();
      await parts.prices.drained();
      await parts.journal?.flush();
      await telemetry?.flush();
    },
    wrapFetch: hook.wrap,
  };
}

/** The journal writes its last into the guard's store. */
async function closeParts({ journal, enforcement }: Partial<Parts> = {}): Promise<void> {
  if (journal) await journal.close();
  await enforcement?.close();
}
