import { GEN_AI_METRICS, METRICS, type MetricName } from "../../core/names.ts";
import type { OtelInstrumentOptions, OtelMeterProvider } from "../tracing/otel-types.ts";
import { NONE_SHOWN, withEnded } from "./ended-points.ts";
import { DURATION_BOUNDS, type Tables, type Tags } from "./tables.ts";

/** Moves what came in the tables into a meter provider, at each of its collections. */
export interface Pump {
  readonly provider: OtelMeterProvider;
  /** Records a duration, at the latest at the provider's next collection. */
  record(seconds: number, tags: Tags): void;
  /** From now on the provider gets nothing more but the durations recorded so far, which it gets at once. */
  stop(): void;
}

const GUARD_GAUGES = [
  METRICS.circuitOpen,
  METRICS.budgetUsed,
  METRICS.budgetLimit,
  METRICS.budgetProjection,
  METRICS.guardUp,
] as const;
/** Durations that wait for a collection: recording many at a time costs a fraction of recording each with its call. */
const MAX_DURATIONS = 1_000;

export interface PumpOptions {
  /** A value could not be recorded. */
  readonly onFault: (error: unknown) => void;
  readonly version: string | undefined;
  readonly processName: () => string;
  readonly spoolPending: () => number | undefined;
  readonly gauges: () => readonly {
    readonly metric: MetricName;
    readonly points: readonly { readonly tags: Tags; readonly value: number }[];
  }[];
}

/**
 * The counters are ordinary ones, to which each collection adds what came since the last: the callback of a gauge runs
 * before anything is read. Observed totals would have to be counted for each provider, are only right to the
 * rounding of a large total, and under a view that drops an attribute all but one of the series is lost (measured:
 * `test/meter/metrics/instruments.test.ts`); added amounts are summed there, in delta and cumulative, for any number of readers.
 */
export function createPump(provider: OtelMeterProvider, tables: Tables, options: PumpOptions): Pump {
  const meter = provider.getMeter("spendfuse", options.version);
  const durations: { readonly seconds: number; readonly tags: Tags }[] = [];
  let stopped = false;

  const counters = tables.counters.map(({ metric, table, scale }) => {
    const counter = meter.createCounter(metric.name, describe(metric, scale === 1));
    return () =>
      table.take((amount, tags) => {
        if (isValid(metric, amount)) counter.add(amount / scale, tags);
      });
  });
  const histogram = meter.createHistogram(GEN_AI_METRICS.duration.name, {
    ...describe(GEN_AI_METRICS.duration, false),
    advice: { explicitBucketBoundaries: [...DURATION_BOUNDS] },
  });
  const gauge = meter.createObservableGauge(METRICS.spoolPending.name, describe(METRICS.spoolPending, true));
  gauge.addCallback((result) => {
    if (stopped) return;
    for (const move of counters) move();
    recordDurations();
    // Also without a spool: it is the sign of life of every process.
    result.observe(options.spoolPending() ?? 0, { process: options.processName() });
  });

  for (const metric of GUARD_GAUGES) {
    const other = meter.createObservableGauge(metric.name, describe(metric, false));
    let before = NONE_SHOWN;
    // Each reader of the provider gets what is observed at the collection of any.
    other.addCallback((result) => {
      if (stopped) return;
      const current = options.gauges().find((gauge) => gauge.metric === metric)?.points ?? [];
      const { points, shown } = withEnded(metric, current, before);
      before = shown;
      for (const { value, tags } of points) if (isValid(metric, value)) result.observe(value, tags);
    });
  }

  return {
    provider,
    record(seconds, tags) {
      durations.push({ seconds, tags });
      if (durations.length >= MAX_DURATIONS) recordDurations();
    },
    stop() {
      recordDurations();
      stopped = true;
    },
  };

  /** One value that is no number would make a cumulative sum none for good. */
  function isValid({ name }: MetricName, value: number): boolean {
    if (Number.isFinite(value)) return true;
    options.onFault(new Error(`a point of ${name} is no number and was left out`));
    return false;
  }

  function recordDurations(): void {
    for (const { seconds, tags } of durations.splice(0)) {
      try {
        histogram.record(seconds, tags);
      } catch (error) {
        options.onFault(error);
      }
    }
  }
}

function describe({ unit, description }: MetricName, integer: boolean): OtelInstrumentOptions {
  return { unit, description, valueType: integer ? 0 : 1 };
}
