import { context, metrics, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { AggregationTemporality, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { type ReadableSpan, type Span, type SpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

/** The spans of a user's own OpenTelemetry. */
export interface UserTracing {
  readonly started: readonly Span[];
  readonly ended: readonly ReadableSpan[];
}

/** Starts tracing as a user does. {@link stopUserTelemetry} takes it away again. */
export function startUserTracing(): UserTracing {
  const started: Span[] = [];
  const ended: ReadableSpan[] = [];
  const processor: SpanProcessor = {
    onStart: (span) => void started.push(span),
    onEnd: (span) => void ended.push(span),
    forceFlush: async () => {},
    shutdown: async () => {},
  };
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [processor] }));
  return { started, ended };
}

export function stopUserTelemetry(): void {
  trace.disable();
  metrics.disable();
  context.disable();
}

/** One data point as the user's own exporter gets it. */
export interface Point {
  readonly metric: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly value: number;
}

/** Starts metrics as a user does; `read` is one collection. */
export function collectMetrics(): { read(): Promise<readonly Point[]> } {
  const reader = new (class extends MetricReader {
    protected override async onShutdown(): Promise<void> {}
    protected override async onForceFlush(): Promise<void> {}
  })({ aggregationTemporalitySelector: () => AggregationTemporality.DELTA });
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  return {
    async read() {
      const { resourceMetrics, errors } = await reader.collect();
      if (errors.length > 0) throw errors[0];
      const read = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
      return read.flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map(({ attributes, value }) => ({ metric: descriptor.name, attributes, value: value as number })),
      );
    },
  };
}
