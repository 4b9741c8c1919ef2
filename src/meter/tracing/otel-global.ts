/**
 * The user's own OpenTelemetry, read from the global slot in which every 1.x copy of its API registers. Reading the
 * slot works where importing the API does not: code of API 1.10 sees a provider that a 1.9 registered as none at all.
 * Nothing here throws, and no provider is kept: one may appear, change or go at any time.
 */

import { tagsOf } from "./dd-trace.ts";
import type { OtelContext, OtelMeterProvider, OtelSpan, OtelSpanContext, OtelTracer } from "./otel-types.ts";

export type { OtelContext, OtelMeterProvider, OtelSpan, OtelTracer } from "./otel-types.ts";

const API = Symbol.for("opentelemetry.js.api.1");
const SPAN_KEY = Symbol.for("OpenTelemetry Context Key SPAN");
const BAGGAGE_KEY = Symbol.for("OpenTelemetry Baggage Key");
const SUPPRESS_KEY = Symbol.for("OpenTelemetry SDK Context Key SUPPRESS_TRACING");

interface ContextManager {
  active(): OtelContext;
  with<T>(context: OtelContext, fn: () => T): T;
}

interface TracerProvider {
  getTracer(name: string, version?: string): OtelTracer;
  getDelegateTracer?(name: string, version?: string): OtelTracer | undefined;
  getDelegate?(): TracerProvider;
  forceFlush?(): Promise<unknown>;
}

interface Slot {
  readonly metrics?: OtelMeterProvider & { getDelegate?(): OtelMeterProvider };
  readonly trace?: TracerProvider;
  readonly context?: ContextManager;
}

function slot(): Slot | undefined {
  return (globalThis as unknown as Record<symbol, Slot | undefined>)[API];
}

/** Providers that are known to be none of the API's no-ops: asked with each call. */
const real = new WeakSet<object>();

function isNoop(provider: object): boolean {
  if (real.has(provider)) return false;
  if (provider.constructor?.name.startsWith("Noop") === true) return true;
  real.add(provider);
  return false;
}

/** The meter provider that the user registered. */
export function userMeterProvider(): OtelMeterProvider | undefined {
  try {
    const registered = slot()?.metrics;
    const provider = registered?.getDelegate ? registered.getDelegate() : registered;
    return provider && typeof provider.getMeter === "function" && !isNoop(provider) ? provider : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a provider was shut down, as far as the SDK lets it be seen: it stays registered. */
export function isShutDown(provider: OtelMeterProvider): boolean {
  return (provider as { readonly _shutdown?: unknown })._shutdown === true;
}

/** The user's OpenTelemetry at the call site, read once: the slot, its context and the span in that. */
export interface Surroundings {
  readonly tracerProvider: TracerProvider | undefined;
  /** Absent without a context manager. */
  readonly context: OtelContext | undefined;
  readonly span: OtelSpan | undefined;
}

const NOWHERE: Surroundings = { tracerProvider: undefined, context: undefined, span: undefined };

export function lookAround(): Surroundings {
  try {
    const api = slot();
    if (api === undefined) return NOWHERE;
    const context = api.context?.active();
    return { tracerProvider: api.trace, context, span: context && spanOf(context) };
  } catch {
    return NOWHERE;
  }
}

/** A tracer of the provider that the user registered. */
export function userTracer(
  name: string,
  { tracerProvider: provider }: Pick<Surroundings, "tracerProvider"> = lookAround(),
): OtelTracer | undefined {
  try {
    if (!provider || isNoop(provider)) return undefined;
    return provider.getDelegateTracer ? provider.getDelegateTracer(name) : provider.getTracer(name);
  } catch {
    return undefined;
  }
}

/** The span that is active in the user's context. */
export function activeSpan(): OtelSpan | undefined {
  return lookAround().span;
}

/** A value of the user's context. */
export function contextValue({ context }: Surroundings, key: symbol): unknown {
  try {
    return context?.getValue(key);
  } catch {
    return undefined;
  }
}

/** A span's own description; each field is undefined where its SDK does not expose it. */
export function describeSpan(span: OtelSpan): {
  readonly name: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>> | undefined;
  /** The name of the instrumentation that made it. */
  readonly scope: string | undefined;
} {
  try {
    const scope = span.instrumentationScope ?? span.instrumentationLibrary;
    // One of Datadog's provider hides its attributes in the Datadog span behind it.
    const { _ddSpan: datadog } = span;
    const attributes = span.attributes ?? (datadog && tagsOf(datadog));
    return { name: span.name, attributes, scope: scope?.name };
  } catch {
    return { name: undefined, attributes: undefined, scope: undefined };
  }
}

/**
 * A context whose span is `span`, to give to `startSpan` as the parent: the active context where there is a context
 * manager, else an empty one. Without a span it is that context as it is.
 */
export function contextWith(
  span: OtelSpan | undefined,
  around: Pick<Surroundings, "context"> = lookAround(),
): OtelContext {
  const context = around.context ?? ROOT;
  try {
    return span ? context.setValue(SPAN_KEY, span) : context;
  } catch {
    return span ? ROOT.setValue(SPAN_KEY, span) : context;
  }
}

/** A context with a span of this identity and nothing else, to give to `startSpan` as the parent. */
export function contextOf(parent: OtelSpanContext): OtelContext {
  return ROOT.setValue(SPAN_KEY, { spanContext: () => parent, isRecording: () => false });
}

/** The span of a context; of one that masks what is written to another, as OpenInference's do, that other. */
export function spanOf(context: OtelContext): OtelSpan | undefined {
  try {
    const span = context.getValue(SPAN_KEY) as (OtelSpan & { readonly span?: OtelSpan }) | undefined;
    if (typeof span?.spanContext !== "function") return undefined;
    return span.attributes === undefined && typeof span.span?.spanContext === "function" ? span.span : span;
  } catch {
    return undefined;
  }
}

/** Runs `fn` with `span` active in the user's context, or just runs it. What `fn` throws is thrown on. */
export function withSpan<T>(span: OtelSpan, fn: () => T): T {
  return withValue(SPAN_KEY, span, fn);
}

/** Runs `fn` such that the user's instrumentations make no spans of its requests, or just runs it. */
export function untraced<T>(fn: () => T): T {
  return withValue(SUPPRESS_KEY, true, fn);
}

/** What the user's propagators send along. */
interface Baggage {
  getAllEntries(): readonly (readonly [name: string, entry: unknown])[];
  removeEntries(...names: string[]): Baggage;
}

function baggageNames(
  context: OtelContext | undefined,
  prefix: string,
): { readonly baggage: Baggage; readonly names: readonly string[] } | undefined {
  const baggage = context?.getValue(BAGGAGE_KEY) as Baggage | undefined;
  if (typeof baggage?.getAllEntries !== "function") return undefined;
  const names = baggage.getAllEntries().flatMap(([name]) => (name.startsWith(prefix) ? [name] : []));
  return names.length === 0 ? undefined : { baggage, names };
}

/** Whether the user's propagators would send along what begins with `prefix`. */
export function hasBaggage(prefix: string, { context }: Pick<Surroundings, "context"> = lookAround()): boolean {
  try {
    return context !== undefined && baggageNames(context, prefix) !== undefined;
  } catch {
    return false;
  }
}

/** Runs `fn` without such baggage in the user's context, or just runs it. */
export function withoutBaggage<T>(prefix: string, fn: () => T): T {
  let rest: Baggage | undefined;
  try {
    const ours = baggageNames(lookAround().context, prefix);
    rest = ours?.baggage.removeEntries(...ours.names);
  } catch {
    // A baggage of a kind that we do not know.
  }
  return rest === undefined ? fn() : withValue(BAGGAGE_KEY, rest, fn);
}

/** Asks the user's providers to send what they hold, ours in it. Never rejects. */
export async function flushUser(): Promise<void> {
  const flush = (provider: { forceFlush?(): Promise<unknown> } | undefined) => provider?.forceFlush?.();
  const traces = async () => {
    const provider = slot()?.trace;
    await flush(provider?.getDelegate ? provider.getDelegate() : provider);
  };
  await Promise.allSettled([traces(), (async () => flush(userMeterProvider()))()]);
}

function withValue<T>(key: symbol, value: unknown, fn: () => T): T {
  let ran: { readonly value: T } | { readonly error: unknown } | undefined;
  const run = (): void => {
    try {
      ran = { value: fn() };
    } catch (error) {
      ran = { error };
    }
  };
  try {
    const manager = slot()?.context;
    if (manager) manager.with(manager.active().setValue(key, value), run);
  } catch {
    // A broken context manager must not keep `fn` from running, nor run it twice.
  }
  if (ran === undefined) return fn();
  if ("error" in ran) throw ran.error;
  return ran.value;
}

function createContext(values: ReadonlyMap<symbol, unknown>): OtelContext {
  return {
    getValue: (key) => values.get(key),
    setValue: (key, value) => createContext(new Map(values).set(key, value)),
    deleteValue: (key) => createContext(new Map([...values].filter(([other]) => other !== key))),
  };
}

const ROOT = createContext(new Map());
