import { context, metrics, SpanKind, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";

/** Writes spans as OTLP does, as every app must that sends them, and sends them nowhere. */
const NOWHERE: SpanExporter = {
  export(spans, done) {
    ProtobufTraceSerializer.serializeRequest(spans);
    done({ code: 0 });
  },
  forceFlush: async () => {},
  shutdown: async () => {},
};

export interface Floor {
  /** One span and two metric records, with the attributes that the GenAI conventions ask of any instrumentation. */
  readonly record: () => void;
  /** Exports the spans that were made until now. */
  readonly flush: () => Promise<void>;
}

/** Registers the providers of an app, and returns the floor that a call of ours is measured against. */
export function registerProviders(): Floor {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const spans = new BatchSpanProcessor({ exporter: NOWHERE });
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [spans] }));
  const exporter = new InMemoryMetricExporter(AggregationTemporality.DELTA);
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] }));

  const tracer = trace.getTracer("floor");
  const meter = metrics.getMeter("floor");
  const tokens = meter.createCounter("gen_ai.client.inference.tokens", { unit: "{token}" });
  const duration = meter.createHistogram("gen_ai.client.inference.duration", { unit: "s" });

  const record = (): void => {
    const span = tracer.startSpan("chat gpt-4o-mini", {
      kind: SpanKind.CLIENT,
      attributes: {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "server.address": "api.openai.com",
      },
    });
    span.setAttributes({
      "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
      "gen_ai.response.id": "chatcmpl-C2P2TVJ3Qoyk6ajLKjYZF8QDAwt50",
      "gen_ai.usage.input_tokens": 78,
      "gen_ai.usage.output_tokens": 8,
      "gen_ai.usage.cache_read.input_tokens": 0,
    });
    span.end();
    const attributes = {
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "gpt-4o-mini",
      "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    };
    tokens.add(86, attributes);
    duration.record(0.4, attributes);
  };
  return { record, flush: () => spans.forceFlush() };
}
