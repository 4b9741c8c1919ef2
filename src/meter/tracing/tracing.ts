import type { Faults } from "../../core/faults.ts";
import { activeDatadogModelSpan } from "./dd-trace.ts";
import { isHttpSpan, isModelSpan } from "./model-span.ts";
import {
  contextWith,
  describeSpan,
  type OtelSpan,
  type OtelTracer,
  type Surroundings,
  userTracer,
  withSpan,
} from "./otel-global.ts";
import { parentOf } from "./span-ancestry.ts";
import { createStamp } from "./stamp.ts";
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
  /** The span that somebody has open for the model call that is being made: OpenTelemetry's, else Datadog's own. */
  activeModelSpan(around: Surroundings): TracingSpan | undefined;
  /** `parent` is used where no span of the user's is active. */
  start(
    around: Surroundings,
    name: string,
    kind: "internal" | "client",
    parent: TracingSpan | undefined,
    attributes: TracingAttributes,
  ): TracingSpan | undefined;
  /** Starts a span of ours for the call of somebody else's span, if we may: see {@link TracingSpan.startBeside}. */
  startBeside(
    other: TracingSpan,
    name: string,
    attributes: TracingAttributes,
    startTime: number,
  ): TracingSpan | undefined;
  /** Runs `fn` with the span active for whatever else makes spans in it. */
  within<T>(span: TracingSpan | undefined, fn: () => T): T;
}

const INTERNAL = 0;

/** `ownTracer` is our private tracer, once there is one. */
export function createTracing(
  ownTracer: () => OtelTracer | undefined,
  enabled: () => boolean,
  faults: Faults,
): Tracing {
  const known = createStamp<WrappedSpan>();

  function wrap(span: OtelSpan): WrappedSpan {
    let wrapped = known.get(span);
    if (wrapped === undefined) {
      wrapped = new WrappedSpan(span, faults);
      known.set(span, wrapped);
    }
    return wrapped;
  }

  return {
    active({ span }) {
      return span?.isRecording() ? wrap(span) : undefined;
    },
    activeModelSpan(around) {
      let { span } = around;
      // Somebody's own wrapper of fetch may lie around ours.
      if (span !== undefined && isHttpSpan(describeSpan(span))) span = parentOf(span);
      if (span?.isRecording() && isModelSpan(describeSpan(span))) return wrap(span);
      const datadog = activeDatadogModelSpan();
      return datadog && wrapDatadog(datadog, faults);
    },
    start(around, name, kind, parent, attributes) {
      if (!enabled()) return undefined;
      const tracer = (around.tracerProvider && userTracer(TRACER_NAME, around)) ?? ownTracer();
      if (!tracer) return undefined;
      // What the user has active is nearer to the call than a span of ours around it, and in the context already.
      const outer = around.span ?? (parent instanceof WrappedSpan ? parent.original : undefined);
      const span = tracer.startSpan(
        name,
        { kind: kind === "client" ? CLIENT : INTERNAL, attributes },
        contextWith(outer, around.context),
      );
      return wrap(span);
    },
    startBeside(other, name, attributes, startTime) {
      return enabled() ? other.startBeside(name, attributes, startTime) : undefined;
    },
    within(span, fn) {
      return span instanceof WrappedSpan ? withSpan(span.original, fn) : fn();
    },
  };
}
