import type { DatadogSpan } from "./dd-trace.ts";

/** The parts of OpenTelemetry's API, in any 1.x version, that we use: without importing it. */

export type OtelAttributes = Record<string, string | number | boolean | readonly string[] | undefined>;

export interface OtelSpanContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
}

/** A span of any 1.x API; the fields after `end` are there when the SDK shows them. */
export interface OtelSpan {
  spanContext(): OtelSpanContext;
  setAttributes(attributes: OtelAttributes): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  recordException(exception: { name?: string; message?: string; stack?: string }): void;
  isRecording(): boolean;
  end(endTime?: number): void;
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly name?: string;
  readonly instrumentationScope?: { readonly name: string; readonly version?: string };
  /** The name of `instrumentationScope` in SDK 1.x. */
  readonly instrumentationLibrary?: { readonly name: string; readonly version?: string };
  /** The Datadog span behind a span of dd-trace's provider. */
  readonly _ddSpan?: DatadogSpan;
}

export interface OtelSpanOptions {
  /** 0 internal, 1 server, 2 client, 3 producer, 4 consumer. */
  readonly kind?: number;
  readonly attributes?: OtelAttributes;
  /** Milliseconds since the epoch. */
  readonly startTime?: number;
  /** The parent span where no context holds it; only our own tracer sets it. */
  readonly parent?: OtelSpan | undefined;
}

export interface OtelTracer {
  startSpan(name: string, options?: OtelSpanOptions, context?: OtelContext): OtelSpan;
}

export interface OtelContext {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): OtelContext;
  deleteValue(key: symbol): OtelContext;
}

export interface OtelMeterProvider {
  getMeter(name: string, version?: string): OtelMeter;
  forceFlush?(): Promise<unknown>;
}

/** `valueType`: 0 integer, 1 double. */
export interface OtelInstrumentOptions {
  readonly unit: string;
  readonly description: string;
  readonly valueType: 0 | 1;
  readonly advice?: { readonly explicitBucketBoundaries: number[] };
}

export interface OtelMeter {
  createCounter(name: string, options: OtelInstrumentOptions): { add(value: number, attributes: object): void };
  createHistogram(name: string, options: OtelInstrumentOptions): { record(value: number, attributes: object): void };
  createObservableGauge(
    name: string,
    options: OtelInstrumentOptions,
  ): { addCallback(callback: (result: { observe(value: number, attributes: object): void }) => void): void };
}
