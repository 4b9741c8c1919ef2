import type { CallPart, SettledCall } from "../../core/call.ts";
import { correctionsOf } from "../../core/late/correction.ts";
import type { LateCall, LateFigures } from "../../core/late/late-call.ts";
import { GEN_AI_METRICS, type MetricName } from "../../core/names.ts";
import type { Scope } from "../../core/scope.ts";
import { createTagBounds, type TagBounds } from "../../core/tags/tags.ts";
import type { Charge } from "../../pricing/charge.ts";
import { errorType } from "../tracing/call-span.ts";
import { isShutDown, userMeterProvider } from "../tracing/otel-global.ts";
import type { OtelMeterProvider } from "../tracing/otel-types.ts";
import { addCall, addInference, addPart, createGroups, durationOf, type Groups, groupOf } from "./aggregate.ts";
import type { Series } from "./bounded-series.ts";
import { count, countBlocked, countCharge, countFault } from "./counts.ts";
import { createPump, type Pump } from "./otel-bridge.ts";
import { addSeconds, createTables, type Histogram, type Tables, type Tags } from "./tables.ts";

/** What came of one metric since it was last taken, in the unit of the metric. */
export type Taken =
  | { readonly kind: "sum" | "gauge"; readonly metric: MetricName; readonly points: readonly Point<number>[] }
  | { readonly kind: "histogram"; readonly metric: MetricName; readonly points: readonly Point<Histogram>[] };

export interface Point<Value> {
  readonly tags: Tags;
  readonly value: Value;
}

/** What a gauge shows at a moment. */
export interface Gauge {
  readonly metric: MetricName;
  readonly points: readonly Point<number>[];
}

/**
 * Our metrics. Calls are summed in our own tables, at almost no cost per call; exporters take from them, and
 * what was taken once is never returned twice: the user's meter provider where there is one, else our own exporter.
 */
export interface Instruments {
  /** Counts a settled call. `parts` are its own model and any other model in it; empty when no usage is known. */
  record(call: SettledCall, parts: readonly CallPart[]): void;
  /** Counts what a settled call changes, once. */
  correct(call: LateCall, figures: LateFigures): void;
  /** Adds money that is no model call's. */
  charge(charge: Charge): void;
  /** Counts a call that was refused, or in `shadow` would have been. */
  blocked(scope: Scope, reason: string, mode: string): void;
  /** Counts an unmetered request to a model API. */
  unmetered(host: string): void;
  /** What our gauges show now. */
  gauges(): readonly Gauge[];
  /** Counts an internal fault. */
  fault(step: string): void;
  /** Looks for the user's meter provider and uses it when it is new. Cheap. True while it takes our metrics. */
  watch(): boolean;
  /** Uses this provider instead of any before it: each of its collections takes what came until then. */
  attach(provider: OtelMeterProvider): void;
  /** From now on durations that no provider takes add up for {@link take}. */
  keepDurations(): void;
  /** Takes what is not yet taken. With `besidesUser`, also what the user's provider would take next. */
  take(besidesUser?: boolean): readonly Taken[];
  /** Whether there is anything to take but faults of the step given. */
  hasNews(exceptFaults?: string): boolean;
}

export interface InstrumentsOptions {
  /** The value of the `process` tag, stable over restarts. Asked for once, when something is first counted. */
  readonly processName: () => string;
  /** Series of one metric that show their agent; those beyond add up in the agent `other`. */
  readonly seriesLimit?: number;
  /** The version of our instrumentation scope. */
  readonly version?: string;
  /** Whether the standard `gen_ai.client.inference.*` metrics ride along; true when absent. */
  readonly genAi?: boolean;
  /** A provider could not be used; counted as a fault when absent. */
  readonly onFault?: (error: unknown) => void;
  /** Exports that wait on disk; undefined without a spool. */
  readonly spoolPending?: () => number | undefined;
  /** The tags that the configuration declares; none when absent. */
  readonly tags?: readonly string[];
  /** Which values of tags are shown, the same everywhere in the process. */
  readonly bounds?: TagBounds;
  /** Gauges of others, read at each collection. */
  readonly gauges?: () => readonly Gauge[];
}

/** Durations kept until it is known who exports them. */
const MAX_WAITING = 1_000;

/** What our metrics are made of, which each of their steps is given. */
interface InstrumentsState {
  readonly options: InstrumentsOptions;
  readonly genAi: boolean;
  readonly processName: () => string;
  readonly gauges: () => readonly Gauge[];
  readonly tables: Tables;
  readonly groups: Groups;
  readonly bounds: TagBounds;
  /** Durations for which no exporter is known yet. */
  readonly waiting: { readonly series: Series<Tags, Histogram>; readonly seconds: number }[];
  /** What moves our metrics into the user's provider; undefined without one. */
  pump: Pump | undefined;
  /** A provider that could not be used. */
  refused: OtelMeterProvider | undefined;
  /** Whether durations that no provider takes add up for our own exporter. */
  keeping: boolean;
}

export function createInstruments(options: InstrumentsOptions): Instruments {
  const processName = once(options.processName);
  const tables = createTables(options.seriesLimit ?? 1_900, options.tags);
  const bounds = options.bounds ?? createTagBounds();
  const state: InstrumentsState = {
    options,
    genAi: options.genAi ?? true,
    processName,
    gauges: options.gauges ?? (() => []),
    tables,
    groups: createGroups(tables, processName, bounds),
    bounds,
    waiting: [],
    pump: undefined,
    refused: undefined,
    keeping: false,
  };
  return {
    record: (call, parts) => record(state, call, parts),
    correct: (call, figures) => correct(state, call, figures),
    charge(charge) {
      watch(state);
      countCharge(state, charge);
    },
    blocked: (scope, reason, mode) => countBlocked(state, scope, reason, mode),
    unmetered(host) {
      watch(state);
      count(tables.unmetered, { api_host: host, process: processName() });
    },
    gauges: state.gauges,
    fault: (step) => countFault(state, step),
    watch: () => watch(state),
    attach: (provider) => attach(state, provider),
    keepDurations: () => keepDurations(state),
    take: (besidesUser = false) => take(state, besidesUser),
    hasNews: (exceptFaults) => hasNews(state, exceptFaults),
  };
}

function record(state: InstrumentsState, call: SettledCall, parts: readonly CallPart[]): void {
  const { groups, genAi } = state;
  const used = watch(state);
  const { model } = call;
  const own = groupOf(groups, call, model);
  addCall(groups, own, call);
  for (const part of parts) {
    const group = part.model === model ? own : groupOf(groups, call, part.model);
    addPart(groups, group, call, part);
    if (genAi) addInference(groups, group, call, part.model, part.usage);
  }
  if (!genAi || call.ending === "blocked") return;
  const failed = call.ending === "failed";
  if (failed && parts.length === 0) addInference(groups, own, call, model, undefined);
  const duration = durationOf(groups, own, call, failed ? errorType(call) : undefined);
  addDuration(state, duration, Math.max(0, call.durationMs) / 1_000, used);
}

/** @param used Whether the user's provider takes our metrics. */
function addDuration(state: InstrumentsState, series: Series<Tags, Histogram>, seconds: number, used: boolean): void {
  if (used) state.pump?.record(seconds, series.tags);
  else if (state.keeping) {
    addSeconds(series.value, seconds);
    state.tables.durations.touch(series);
  } else if (state.waiting.length < MAX_WAITING) state.waiting.push({ series, seconds });
}

function keepDurations(state: InstrumentsState): void {
  state.keeping = true;
  for (const { series, seconds } of state.waiting.splice(0)) addDuration(state, series, seconds, false);
}

function correct(state: InstrumentsState, call: LateCall, figures: LateFigures): void {
  watch(state);
  for (const { metric, tags, amount } of correctionsOf(call.group, call, figures, state.processName())) {
    const counter = state.tables.counters.find((one) => one.metric === metric);
    if (counter !== undefined) count(counter, tags, amount);
  }
}

function watch(state: InstrumentsState): boolean {
  const provider = userMeterProvider();
  if (provider !== undefined) attach(state, provider);
  else if (state.pump !== undefined) {
    state.pump.stop();
    state.pump = undefined;
  }
  // One that is shutting down still makes its last collection, so its pump goes on; but it may be over already.
  return state.pump !== undefined && !isShutDown(state.pump.provider);
}

function attach(state: InstrumentsState, provider: OtelMeterProvider): void {
  if (provider === state.pump?.provider || provider === state.refused) return;
  state.pump?.stop();
  state.pump = undefined;
  const { tables, processName, gauges } = state;
  const { version, spoolPending = () => undefined } = state.options;
  const onFault = (error: unknown): void => reportFault(state, error);
  try {
    const pump = createPump(provider, tables, { version, processName, spoolPending, gauges, onFault });
    state.pump = pump;
    for (const { series, seconds } of state.waiting.splice(0)) pump.record(seconds, series.tags);
  } catch (error) {
    state.refused = provider;
    onFault(error);
  }
}

/** Reports that a provider failed. */
function reportFault(state: InstrumentsState, error: unknown): void {
  const { onFault } = state.options;
  if (onFault === undefined) countFault(state, "instruments");
  else onFault(error);
}

function take(state: InstrumentsState, besidesUser: boolean): readonly Taken[] {
  const { tables } = state;
  const taken: Taken[] = [];
  if (!watch(state) || besidesUser) {
    for (const { metric, table, scale } of tables.counters) {
      const points: Point<number>[] = [];
      table.take((value, tags) => points.push({ value: value / scale, tags }));
      if (points.length > 0) taken.push({ kind: "sum", metric, points });
    }
  }
  const points: Point<Histogram>[] = [];
  tables.durations.take((value, tags) => points.push({ value, tags }));
  if (points.length > 0) taken.push({ kind: "histogram", metric: GEN_AI_METRICS.duration, points });
  return taken;
}

function hasNews({ tables }: InstrumentsState, exceptFaults: string | undefined): boolean {
  if (tables.durations.untaken.length > 0) return true;
  return tables.counters.some(({ table }) =>
    table.untaken.some(({ tags }) => table !== tables.faults.table || tags.step !== exceptFaults),
  );
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
