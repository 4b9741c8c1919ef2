import type { Faults } from "../faults.ts";
import { type DatadogSpan, isFinished, tagsOf } from "./dd-trace.ts";
import { describeSpan, type OtelSpan } from "./otel-global.ts";
import { claimSpan, type Holder, markNamed, releaseSpan } from "./span-claim.ts";

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
  /** Whoever made the span is known to forget to end it when its stream is broken off. */
  readonly forgotten: boolean;
  /** Takes a span of somebody else's for one call, and keeps it from being ended. False when it cannot be had. */
  claim(holder: Holder): boolean;
  /** Gives it back; a span that was to be ended meanwhile ends now. `filled`: what the call came to is on it. */
  release(holder: Holder, filled: boolean): void;
  /** Notes that we have written the name of its agent. */
  named(): void;
}

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

  get open(): boolean {
    return this.#faults.guard("span", () => this.original.isRecording()) === true;
  }

  get forgotten(): boolean {
    return FORGETFUL.has(String(describeSpan(this.original).scope));
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

  claim(holder: Holder): boolean {
    // A number this small is taken for one of this clock, which is the one that spans begin by.
    const now = () => performance.now();
    return this.#faults.guard("span", () => claimSpan(this.original, "end", now, holder)) === true;
  }

  release(holder: Holder, filled: boolean): void {
    this.#faults.guard("span", () => releaseSpan(this.original, holder, filled));
  }

  named(): void {
    markNamed(this.original);
  }
}

/** A span of Datadog's tracer: what we write are tags of it. */
export function wrapDatadog(original: DatadogSpan, faults: Faults): TracingSpan {
  const guard = <T>(run: () => T) => faults.guard("span", run);
  return {
    get attributes() {
      return guard(() => tagsOf(original));
    },
    get open() {
      return guard(() => !isFinished(original)) === true;
    },
    forgotten: true,
    setAttributes(attributes) {
      guard(() => original.addTags(attributes));
    },
    fail() {
      guard(() => original.setTag("error", true));
    },
    end() {
      guard(() => original.finish());
    },
    claim(holder) {
      const now = () => performance.timeOrigin + performance.now();
      return guard(() => claimSpan(original, "finish", now, holder)) === true;
    },
    release(holder, filled) {
      guard(() => releaseSpan(original, holder, filled));
    },
    named: () => markNamed(original),
  };
}
