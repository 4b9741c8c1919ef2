import type { Faults } from "./faults.ts";
import {
  activeSpan,
  contextWith,
  describeSpan,
  type OtelSpan,
  type OtelTracer,
  userTracer,
  withSpan,
} from "./otel-global.ts";
import { createStamp } from "./stamp.ts";

export type TracingAttributes = Record<string, string | number | boolean | undefined>;

/** A span as we use it, of whatever provider. What its methods throw is counted: the rest goes on without it. */
export interface TracingSpan {
  /** What was set so far, where the provider lets it be read. */
  readonly attributes: Readonly<Record<string, unknown>> | undefined;
  setAttributes(attributes: TracingAttributes): void;
  /** Marks the span as failed. */
  fail(error?: unknown): void;
  end(): void;
  /** Whether the span still takes what is set. */
  readonly open: boolean;
  /** Runs `run` when whoever made the span ends it, before it does. */
  beforeEnd(run: () => void): void;
}

/** Spans through the user's own tracing where there is one, else through ours, else none. */
export interface Tracing {
  /** The span that is active where we are called. */
  active(): TracingSpan | undefined;
  /** `parent` is used where no span of the user's is active. */
  start(
    name: string,
    kind: "internal" | "client",
    parent: TracingSpan | undefined,
    attributes: TracingAttributes,
  ): TracingSpan | undefined;
  /** Runs `fn` with the span active for whatever else makes spans in it. */
  within<T>(span: TracingSpan | undefined, fn: () => T): T;
}

const INTERNAL = 0;
const CLIENT = 2;
const STATUS_ERROR = 2;
const NAME = "spendfuse";

class WrappedSpan implements TracingSpan {
  readonly original: OtelSpan;
  readonly #faults: Faults;

  constructor(original: OtelSpan, faults: Faults) {
    this.original = original;
    this.#faults = faults;
  }

  get attributes(): Readonly<Record<string, unknown>> | undefined {
    return describeSpan(this.original).attributes;
  }

  get open(): boolean {
    return this.#faults.guard("span", () => this.original.isRecording()) === true;
  }

  setAttributes(attributes: TracingAttributes): void {
    this.#faults.guard("span", () => this.original.setAttributes(attributes));
  }

  fail(error?: unknown): void {
    this.#faults.guard("span", () => {
      const message = error instanceof Error ? error.message : String(error);
      this.original.setStatus({ code: STATUS_ERROR, ...(error !== undefined && { message }) });
      if (error === undefined) return;
      this.original.recordException({ name: error instanceof Error ? error.name : "Error", message });
    });
  }

  end(): void {
    this.#faults.guard("span", () => this.original.end());
  }

  beforeEnd(run: () => void): void {
    const { original } = this;
    const faults = this.#faults;
    faults.guard("span", () => {
      const { end } = original;
      original.end = function (this: OtelSpan, ...args) {
        faults.guard("span", run);
        return end.apply(this, args);
      };
    });
  }
}

function originalOf(span: TracingSpan | undefined): OtelSpan | undefined {
  return span instanceof WrappedSpan ? span.original : undefined;
}

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
    active() {
      const span = activeSpan();
      return span?.isRecording() ? wrap(span) : undefined;
    },
    start(name, kind, parent, attributes) {
      if (!enabled()) return undefined;
      const tracer = userTracer(NAME) ?? ownTracer();
      if (!tracer) return undefined;
      // What the user has active is nearer to the call than a span of ours around it.
      const outer = activeSpan() ?? originalOf(parent);
      const span = tracer.startSpan(
        name,
        { kind: kind === "client" ? CLIENT : INTERNAL, attributes },
        contextWith(outer),
      );
      return wrap(span);
    },
    within(span, fn) {
      const original = originalOf(span);
      return original ? withSpan(original, fn) : fn();
    },
  };
}
