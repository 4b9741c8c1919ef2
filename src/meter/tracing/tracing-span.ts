import type { Faults } from "../../core/faults.ts";
import { ATTR } from "../../core/names.ts";
import type { Holder, Outcome } from "./claim-state.ts";
import { type DatadogSpan, isFinished, observeCost, startDatadogSpanBeside, tagsOf } from "./dd-trace.ts";
import { contextOf, describeSpan, type OtelContext, type OtelSpan, userTracer } from "./otel-global.ts";
import { parentOf } from "./span-ancestry.ts";
import { claimSpan, type Ending, markNamed, releaseSpan, settleSpan } from "./span-claim.ts";

export type TracingAttributes = Record<string, string | number | boolean | readonly string[] | undefined>;

/** A span of any provider, as we use it. What its methods throw is counted and swallowed. */
export interface TracingSpan {
  /** What was set so far, where the provider lets it be read. */
  readonly attributes: Readonly<Record<string, unknown>> | undefined;
  setAttributes(attributes: TracingAttributes): void;
  /** Marks the span as failed. */
  fail(error?: unknown): void;
  /** @param time Milliseconds since the epoch; now by default. @param attributes What is set before. */
  end(time?: number, attributes?: TracingAttributes): void;
  /** Claims another library's span for one call; its end then waits for the call. False when it cannot be claimed. */
  claim(holder: Holder): boolean;
  /** Sets that call's result, for this span or for our own: see `claim-state.ts`. */
  settle(holder: Holder, outcome: Outcome, brokenOff: boolean): void;
  /** Releases the span after a fault of ours. */
  release(holder: Holder): void;
  /** Notes that we have written the name of its agent. */
  named(): void;
  /**
   * Starts our own span for the same call, in the tracing that this span belongs to and beside it.
   * @param startTime Milliseconds since the epoch.
   */
  startBeside(name: string, attributes: TracingAttributes, startTime: number): TracingSpan | undefined;
}

/** The tracer name of our spans at a user's provider. */
export const TRACER_NAME = "spendfuse";
/** A span's kind. */
export const CLIENT = 2;
const STATUS_ERROR = 2;

/** Instrumentations that leave the span of a broken-off stream open, which is then never exported. */
const FORGETFUL = new Set([
  "@opentelemetry/instrumentation-openai",
  "@traceloop/instrumentation-openai",
  "@traceloop/instrumentation-anthropic",
]);

export class WrappedSpan implements TracingSpan {
  readonly original: OtelSpan;
  readonly #faults: Faults;

  constructor(original: OtelSpan, faults: Faults) {
    this.original = original;
    this.#faults = faults;
  }

  get attributes(): Readonly<Record<string, unknown>> | undefined {
    return describeSpan(this.original).attributes;
  }

  setAttributes(attributes: TracingAttributes): void {
    try {
      this.original.setAttributes(attributes);
    } catch (error) {
      this.#faults.report("span", error);
    }
  }

  fail(error?: unknown): void {
    this.#faults.guard("span", () => {
      const message = error instanceof Error ? error.message : String(error);
      this.original.setStatus({ code: STATUS_ERROR, ...(error !== undefined && { message }) });
      if (error === undefined) return;
      this.original.recordException({ name: error instanceof Error ? error.name : "Error", message });
    });
  }

  end(time?: number, attributes?: TracingAttributes): void {
    try {
      if (attributes !== undefined) this.original.setAttributes(attributes);
    } catch (error) {
      this.#faults.report("span", error);
    }
    try {
      this.original.end(time);
    } catch (error) {
      this.#faults.report("span", error);
    }
  }

  claim(holder: Holder): boolean {
    return this.#faults.guard("span", () => claimSpan(this.original, OTEL_ENDING, holder, this.#faults)) === true;
  }

  settle(holder: Holder, outcome: Outcome, brokenOff: boolean): void {
    this.#faults.guard("span", () => {
      const { original } = this;
      const isAbandoned = brokenOff && FORGETFUL.has(String(describeSpan(original).scope));
      const abandoned = isAbandoned ? { self: original, args: [OTEL_ENDING.now()] } : undefined;
      settleSpan(original, holder, outcome, original.isRecording(), abandoned);
    });
  }

  release(holder: Holder): void {
    this.#faults.guard("span", () => releaseSpan(this.original, holder));
  }

  named(): void {
    markNamed(this.original);
  }

  startBeside(name: string, attributes: TracingAttributes, startTime: number): TracingSpan | undefined {
    return this.#faults.guard("span", () => {
      const options = { kind: CLIENT, attributes, startTime };
      const span = userTracer(TRACER_NAME)?.startSpan(name, options, contextBeside(this.original));
      return span && new WrappedSpan(span, this.#faults);
    });
  }
}

/** A number this small is taken for one of this clock, which is the one that spans begin by. */
const OTEL_ENDING: Ending = { method: "end", now: () => performance.now() };

/**
 * Of the parent only its identity: Datadog's provider exports a span together with those that it knows to be of the same
 * trace, which then may include one that never ends.
 */
function contextBeside(span: OtelSpan): OtelContext {
  const { traceId, spanId } = (parentOf(span) ?? span).spanContext();
  return contextOf({ traceId, spanId, traceFlags: span.spanContext().traceFlags });
}

/** Whether both stand for the same span. */
export function isSame(one: TracingSpan | undefined, other: TracingSpan | undefined): boolean {
  if (one instanceof WrappedSpan && other instanceof WrappedSpan) return one.original === other.original;
  return one === other;
}

/** A span of Datadog's tracer: what we write are tags of it. */
export function wrapDatadog(original: DatadogSpan, faults: Faults): TracingSpan {
  const guard = <T>(run: () => T) => faults.guard("span", run);
  return {
    get attributes() {
      return guard(() => tagsOf(original));
    },
    setAttributes(attributes) {
      guard(() => original.addTags(attributes));
      guard(() => observeCost(original, attributes[ATTR.costAmount]));
    },
    fail() {
      guard(() => original.setTag("error", true));
    },
    end(time, attributes) {
      if (attributes !== undefined) guard(() => original.addTags(attributes));
      guard(() => original.finish(time));
    },
    claim(holder) {
      return guard(() => claimSpan(original, DATADOG_ENDING, holder, faults)) === true;
    },
    settle(holder, outcome, brokenOff) {
      guard(() => {
        const abandoned = brokenOff ? { self: original, args: [DATADOG_ENDING.now()] } : undefined;
        settleSpan(original, holder, outcome, !isFinished(original), abandoned);
      });
    },
    release(holder) {
      guard(() => releaseSpan(original, holder));
    },
    named: () => markNamed(original),
    startBeside(name, attributes, startTime) {
      return guard(() => {
        const span = startDatadogSpanBeside(original, name, attributes, startTime);
        return span && wrapDatadog(span, faults);
      });
    },
  };
}

const DATADOG_ENDING: Ending = { method: "finish", now: () => performance.timeOrigin + performance.now() };
