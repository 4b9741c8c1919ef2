import type { Faults } from "../../core/faults.ts";
import { activeDatadogModelSpan } from "./dd-trace.ts";
import { isHttpSpan, isModelSpan } from "./model-span.ts";
import { contextWith, describeSpan, type OtelTracer, type Surroundings, userTracer, withSpan } from "./otel-global.ts";
import { parentOf } from "./span-ancestry.ts";
import {
  CLIENT,
  TRACER_NAME,
  type TracingAttributes,
  type TracingSpan,
  WrappedSpan,
  wrapDatadog,
} from "./tracing-span.ts";

/** Spans through the user's own tracing where there is one, else through ours, else none. */
export interface Tracing {
  /** The span that is active in these surroundings. */
  active(around: Surroundings): TracingSpan | undefined;
  /** The span that another library has open for the current model call: OpenTelemetry's, else Datadog's own. */
  activeModelSpan(around: Surroundings): TracingSpan | undefined;
  /**
   * `parent` is used where no span of the user's is active.
   * @param startTime Milliseconds since the epoch, where it began before now.
   */
  start(
    around: Surroundings,
    name: string,
    kind: "internal" | "client",
    parent: TracingSpan | undefined,
    attributes: TracingAttributes,
    startTime?: number,
  ): TracingSpan | undefined;
  /** Starts our own span beside another library's for the call, if allowed: see {@link TracingSpan.startBeside}. */
  startBeside(
    other: TracingSpan,
    name: string,
    attributes: TracingAttributes,
    startTime: number,
  ): TracingSpan | undefined;
  /** The settings have changed. */
  reset(): void;
  /** Runs `fn` with the span active for whatever else makes spans in it. */
  within<T>(span: TracingSpan | undefined, fn: () => T): T;
}

const INTERNAL = 0;
const globals = globalThis as { readonly _ddtrace?: unknown };

/** The process's settings of spans. */
export interface TracingSettings {
  /** Whether spans are made. */
  readonly enabled: boolean;
  /** Our private tracer; undefined where we export nothing. */
  readonly ownTracer: OtelTracer | undefined;
}

/** @param current Called at the first span, and again after {@link Tracing.reset}. */
export function createTracing(current: () => TracingSettings, faults: Faults): Tracing {
  let settings: TracingSettings | undefined;
  return {
    active({ span }) {
      return span?.isRecording() ? new WrappedSpan(span, faults) : undefined;
    },
    activeModelSpan(around) {
      let { span } = around;
      // Another wrapper of fetch may be around ours.
      if (span !== undefined && isHttpSpan(describeSpan(span))) span = parentOf(span);
      if (span?.isRecording() && isModelSpan(describeSpan(span))) return new WrappedSpan(span, faults);
      if (globals._ddtrace === undefined) return undefined;
      const datadog = activeDatadogModelSpan();
      return datadog && wrapDatadog(datadog, faults);
    },
    start(around, name, kind, parent, attributes, startTime) {
      settings ??= current();
      if (!settings.enabled) return undefined;
      // The user's active span is nearer to the call than an outer span of ours.
      const outer = around.span ?? (parent instanceof WrappedSpan ? parent.original : undefined);
      const now = { kind: kind === "client" ? CLIENT : INTERNAL, attributes };
      const options = startTime === undefined ? now : { ...now, startTime };
      const theirs = around.tracerProvider && userTracer(TRACER_NAME, around);
      const span = theirs
        ? theirs.startSpan(name, options, contextWith(outer, around))
        : settings.ownTracer?.startSpan(name, { ...options, parent: outer });
      if (!span) return undefined;
      return new WrappedSpan(span, faults);
    },
    reset() {
      settings = undefined;
    },
    startBeside(other, name, attributes, startTime) {
      settings ??= current();
      return settings.enabled ? other.startBeside(name, attributes, startTime) : undefined;
    },
    within(span, fn) {
      return span instanceof WrappedSpan ? withSpan(span.original, fn) : fn();
    },
  };
}
