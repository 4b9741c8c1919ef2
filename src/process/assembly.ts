import type { Config } from "../config/config.ts";
import type { SettledCall } from "../core/call.ts";
import type { HostConfig } from "../core/config-types.ts";
import type { Faults } from "../core/faults.ts";
import type { Ledger } from "../core/ledger.ts";
import { boundValue, createTagBounds, NO_TAGS, type TagBounds } from "../core/tags/tags.ts";
import { lazy } from "../core/values/lazy.ts";
import type { Approve } from "../guard/approval.ts";
import type { CallSettings } from "../meter/call/call-meter.ts";
import { createChargeRecorder } from "../meter/call/charges.ts";
import { createForecaster, type Forecaster } from "../meter/call/forecast.ts";
import type { CallServices } from "../meter/call/open-call.ts";
import { createRecorder, type Recorder, type RecorderOptions } from "../meter/call/recorder.ts";
import { createInstruments, type Instruments } from "../meter/metrics/instruments.ts";
import type { Tracing } from "../meter/tracing/tracing.ts";
import { createHostLookup, type Host } from "../meter/wire/hosts.ts";
import { VERSION } from "../package/version.ts";
import { openPriceBook, openPriceBookNow } from "../pricing/open.ts";
import { createPriceQueue, type PriceQueue } from "../pricing/queue.ts";
import { TOOL_PRICES } from "../pricing/tool-prices.ts";
import { DEFAULT_STORE, isSharedStore } from "../stores/addresses.ts";
import { openMemory } from "../stores/memory.ts";
import type { Store } from "../stores/store.ts";
import { createChargeLog } from "./debug-log.ts";
import { type Enforcement, isGuarded, openEnforcement } from "./enforcement.ts";
import { type KeptKnowledge, openKnowledge } from "./estimate-file.ts";
import { createJournal, type Journal } from "./journal.ts";
import { createLateCalls, type LateCalls } from "./late-calls.ts";
import { type MeteredWriter, sinkOf, writeCall, writeCharge } from "./outcomes/metered-writer.ts";
import type { OutcomeSink, Outcomes } from "./outcomes/outcomes.ts";
import type { Forward } from "./programs/forward.ts";
import { createSettler, type Settler } from "./settler.ts";
import { openTotals } from "./summary/summary.ts";
import type { Totals } from "./summary/totals.ts";
import { loadTokenizer } from "./tokenizer.ts";

/** What the first call needs, made from one configuration. */
export interface Parts {
  readonly prices: PriceQueue;
  readonly instruments: Instruments;
  /** By agent, for the table at the end of the process; undefined where none is printed. */
  readonly totals: Totals | undefined;
  readonly recorder: Recorder;
  readonly forecaster: Forecaster;
  /** Undefined when the configuration asks for no guard. */
  readonly enforcement: Enforcement | undefined;
  /** Undefined when the configuration names no store that outlives the process. */
  readonly journal: Journal | undefined;
  /** Corrects calls once the vendor has said more; undefined without a journal. */
  readonly settler: Settler | undefined;
  /** Kept from one process to the next where the configuration names a store that outlives them. */
  readonly estimates: KeptKnowledge;
  readonly services: CallServices;
  /** Where outcomes are written. */
  readonly outcomes: OutcomeSink;
  /** The values of tags that are shown. */
  readonly bounds: TagBounds;
}

export interface AssemblyOptions {
  readonly config: Config;
  readonly faults: Faults;
  readonly ledger: Ledger;
  readonly listeners: ReadonlySet<(call: SettledCall) => unknown>;
  readonly approvers: ReadonlySet<Approve>;
  readonly say: (message: string) => void;
  /** The value of the `process` tag. */
  readonly processName: () => string;
  /** Where what outlives a process is kept; undefined when it cannot be. */
  readonly stateDir: () => string | undefined;
  readonly spoolPending: () => number | undefined;
  readonly tracing: Tracing;
  /** See `reload` of the process. @throws SpendfuseError `SPENDFUSE_CONFIG` */
  readonly reload: () => string;
  /** Takes settled calls to the thread that accounts for them, where that is another one. */
  readonly forward?: Forward | undefined;
  readonly outcomes: Outcomes;
}

/** Wires the meter and the guard of one process: budgets receive each call's cost, and nothing flows back. */
export function assemble(options: AssemblyOptions): Parts {
  const { config, faults, processName } = options;
  const prices = openPrices(config, faults);
  const forecaster = createForecaster(prices.price);
  const bounds = boundsOf(config);
  const instruments: Instruments = createInstruments({
    processName,
    ...(config.tags && { tags: config.tags }),
    bounds,
    genAi: config.genAiMetrics !== false,
    onFault: (error) => faults.report("instruments", error),
    spoolPending: options.spoolPending,
    gauges: () => enforcement?.gauges() ?? [],
    version: VERSION,
  });
  const totals = openTotals(config);
  faults.onFault((step) => instruments.fault(step));
  const enforcement = isGuarded(config)
    ? openEnforcement({
        config,
        processName,
        approvers: options.approvers,
        say: options.say,
        reload: options.reload,
        showsTag: (name, value) => config.tags?.includes(name) === true && boundValue(bounds, name, value) === value,
        onRefused: ({ scope }, { reason }, mode) => (options.forward ?? instruments).blocked(scope, reason, mode),
        onFault: (error) => faults.report("guard", error),
      })
    : undefined;
  const holder = keepsJournal(config) ? process.getBuiltinModule("node:crypto").randomUUID() : undefined;
  const late = holder && createLateCalls(holder);
  const journal = late && openJournal(config, enforcement, late, holder, (error) => faults.report("ledger", error));
  const settler =
    late && journal && createSettler({ ...options, late, holder, instruments, prices, store: journal.store });
  const folder = isSharedStore(config.store ?? DEFAULT_STORE) ? options.stateDir() : undefined;
  const estimates = openKnowledge(folder, (error) => faults.report("estimate", error));
  if (config.tokenizer === true) void loadTokenizer(estimates.knowledge, faults, options.say);
  const writer: MeteredWriter = { bounds, journal, late, outcomes: options.outcomes };
  const recorder = createRecorder({
    faults,
    charge: (node, spent) => enforcement?.gate.charge(node, spent),
    ledger: options.ledger,
    journal: options.forward === undefined ? writeCall.bind(undefined, writer) : forwarded(options.forward, writer),
    price: prices.price,
    instruments(call, parts) {
      instruments.record(call, parts);
      totals?.add(call, parts);
      if (enforcement && call.usage) forecaster.learn(call.requestModel ?? call.model, call.usage);
    },
    listeners: options.listeners,
  });
  const logCharge = createChargeLog(options.say);
  const charge = createChargeRecorder({
    faults,
    spent: (node, spent) => enforcement?.gate.charge(node, spent),
    ledger: options.ledger,
    journal: (one, work) => writeCharge(writer, one, work),
    instruments(one) {
      instruments.charge(one);
      totals?.charge(one);
      logCharge?.(one);
    },
    tracing: options.tracing,
  });
  const services: CallServices = {
    charge,
    gate: enforcement?.gate,
    forecast: forecaster.forecast,
    knowledge: estimates.knowledge,
    prices,
    record(call, state) {
      const ended = performance.now();
      if (prices.ready) recorder.record(call, state, ended);
      else prices.run(() => recorder.record(call, state, ended));
    },
  };
  const kept = { enforcement, journal, settler, estimates, bounds, outcomes: sinkOf(writer) };
  return { prices, instruments, totals, recorder, forecaster, services, ...kept };
}

function openPrices({ prices = [], discounts = [], localServers = "unknown" }: Config, faults: Faults): PriceQueue {
  const own = { prices, discounts, localServers };
  return createPriceQueue(
    () => openPriceBook(own),
    () => openPriceBookNow(own),
    faults,
  );
}

function forwarded(forward: Forward, writer: MeteredWriter): NonNullable<RecorderOptions["journal"]> {
  return (call, parts, open) => {
    forward.call(call, parts, open.node, open.child);
    writeCall(writer, call, parts, open);
  };
}

/** What budgets name is shown before all other values of tags. */
function boundsOf({ tags = NO_TAGS, caps }: Config): TagBounds {
  const bounds = createTagBounds();
  for (const { scope } of caps)
    for (const [kind, value] of scope) if (tags.includes(kind) && value !== "*") boundValue(bounds, kind, value);
  return bounds;
}

/** Without a store that outlives the process a journal is of use only for what settles inside the process. */
function keepsJournal({ store = DEFAULT_STORE, billing }: Config): boolean {
  return isSharedStore(store) || billing?.settle === true;
}

/** Writes to the guard's store; a process without a guard opens it only for this. */
function openJournal(
  { store: address = DEFAULT_STORE }: Config,
  enforcement: Enforcement | undefined,
  late: LateCalls,
  holder: string,
  onFault: (error: unknown) => void,
): Journal {
  const options = { late, holder, onFault };
  if (!isSharedStore(address)) {
    const own = openMemory();
    return createJournal({ ...options, store: () => own, opening: Promise.resolve() });
  }
  if (enforcement) return createJournal({ ...options, store: enforcement.store, opening: enforcement.ready });
  let store: Store | undefined;
  const opening = import("../stores/open.ts").then(async ({ openStore }) => {
    store = await openStore(address);
  });
  opening.catch(onFault);
  return createJournal({ ...options, store: () => store, opening, release: () => store?.close() });
}

const knownHosts = lazy(() => createHostLookup());

/** The configuration of calls. */
export function settingsOf({
  hosts = [],
  askUsage = true,
  tokenizer,
  transportsOff = [],
  keys = {},
  tags = NO_TAGS,
  charges = [],
  toolPrices = false,
  env,
}: Config): CallSettings {
  const proxy = URL.parse(env.SPENDFUSE_PROXY_URL ?? "")?.host;
  return {
    proxy,
    hosts: hosts.map(hostOf),
    askUsage,
    samples: tokenizer === true,
    transportsOff,
    keyAliases: keys,
    tags,
    toolPrices: toolPrices ? [...charges, ...TOOL_PRICES] : charges,
  };
}

function hostOf({ like, ...row }: HostConfig): Host {
  const known = like === undefined ? undefined : knownHosts()(like);
  return { provider: known?.provider ?? "openai", ...known, ...row };
}
