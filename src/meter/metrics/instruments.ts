import type { CallPart, SettledCall } from "../../core/call.ts";
import { GEN_AI_METRICS, type MetricName } from "../../core/names.ts";
import type { Scope } from "../../core/scope.ts";
import { errorType } from "../tracing/call-span.ts";
import { isShutDown, userMeterProvider } from "../tracing/otel-global.ts";
import type { OtelMeterProvider } from "../tracing/otel-types.ts";
import { createGroups } from "./aggregate.ts";
import type { Series } from "./bounded-series.ts";
import { createPump, type Pump } from "./otel-bridge.ts";
import { addSeconds, type Counter, createTables, type Histogram, type Tags } from "./tables.ts";

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
  /** The value of the `instance` tag, stable over restarts. Asked for once, when something is first counted. */
  readonly instance: () => string;
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
  /** Gauges of others, read at each collection. */
  readonly gauges?: () => readonly Gauge[];
}

/** Durations kept until it is known who exports them. */
const MAX_WAITING = 1_000;

export function createInstruments(options: InstrumentsOptions): Instruments {
  const { genAi = true, spoolPending = () => undefined, version } = options;
  const { gauges = () => [] } = options;
  const { onFault = () => fault("instruments") } = options;
  const instance = once(options.instance);
  const tables = createTables(options.seriesLimit ?? 1_900);
  const groups = createGroups(tables, instance);
  const waiting: { readonly series: Series<Tags, Histogram>; readonly seconds: number }[] = [];
  let pump: Pump | undefined;
  let refused: OtelMeterProvider | undefined;
  let keeping = false;

  function count({ table }: Counter, tags: Tags): void {
    const series = table.open(tags);
    series.value += 1;
    table.touch(series);
  }

  const fault = (step: string): void => count(tables.faults, { step, instance: instance() });

  function attach(provider: OtelMeterProvider): void {
    if (provider === pump?.provider || provider === refused) return;
    pump?.stop();
    pump = undefined;
    try {
      pump = createPump(provider, tables, { version, instance, spoolPending, gauges });
      for (const { series, seconds } of waiting.splice(0)) pump.record(seconds, series.tags);
    } catch (error) {
      refused = provider;
      onFault(error);
    }
  }

  function watch(): boolean {
    const provider = userMeterProvider();
    if (provider !== undefined) attach(provider);
    else if (pump !== undefined) {
      pump.stop();
      pump = undefined;
    }
    // One that is shutting down still makes its last collection, so its pump goes on; but it may be over already.
    return pump !== undefined && !isShutDown(pump.provider);
  }

  function addDuration(series: Series<Tags, Histogram>, seconds: number, used: boolean): void {
    if (used) pump?.record(seconds, series.tags);
    else if (keeping) {
      addSeconds(series.value, seconds);
      tables.durations.touch(series);
    } else if (waiting.length < MAX_WAITING) waiting.push({ series, seconds });
  }

  return {
    fault,
    gauges,
    blocked(scope, reason, mode) {
      const team = scope.team === undefined ? {} : { team: scope.team };
      const tags = { agent: scope.agent, root_agent: scope.rootAgent, ...team, reason, mode, instance: instance() };
      count(tables.blocked, tags);
    },
    unmetered(host) {
      watch();
      count(tables.unmetered, { host });
    },
    attach,
    watch,
    record(call, parts) {
      const used = watch();
      const { model } = call;
      const own = groups.of(call, model);
      groups.addCall(own, call);
      for (const part of parts) {
        const group = part.model === model ? own : groups.of(call, part.model);
        groups.addPart(group, call, part);
        if (genAi) groups.addInference(group, call, part.model, part.usage);
      }
      if (!genAi || call.ending === "blocked") return;
      const failed = call.ending === "failed";
      if (failed && parts.length === 0) groups.addInference(own, call, model, undefined);
      const duration = groups.duration(own, call, failed ? errorType(call) : undefined);
      addDuration(duration, Math.max(0, call.durationMs) / 1_000, used);
    },
    keepDurations() {
      keeping = true;
      for (const { series, seconds } of waiting.splice(0)) addDuration(series, seconds, false);
    },
    take(besidesUser = false) {
      const taken: Taken[] = [];
      if (!watch() || besidesUser) {
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
    },
    hasNews(exceptFaults) {
      if (tables.durations.untaken.length > 0) return true;
      return tables.counters.some(({ table }) =>
        table.untaken.some(({ tags }) => table !== tables.faults.table || tags.step !== exceptFaults),
      );
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
