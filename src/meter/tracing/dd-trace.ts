import { isModelSpan } from "./model-span.ts";

/** Datadog's tracer, where the app has it: read from its global slot, never loaded. It may hide any field. */

/** A span of dd-trace, as far as we use it. */
export interface DatadogSpan {
  context(): DatadogContext;
  addTags(tags: object): unknown;
  setTag(key: string, value: unknown): unknown;
  finish(time?: number): void;
}

interface DatadogContext {
  readonly _name?: unknown;
  readonly _isFinished?: unknown;
  readonly _tags?: object;
  getTags?(): object;
  readonly _spanId?: unknown;
  readonly _parentId?: { equals?(other: unknown): boolean };
  /** The spans of this trace that began in this process. */
  readonly _trace?: { readonly started?: readonly DatadogSpan[] };
}

/** What LLM Observability keeps of the spans that belong to it. */
interface Tagger {
  readonly tagMap?: { get(span: DatadogSpan): Readonly<Record<string, unknown>> | undefined };
}

interface Slot {
  readonly _ddtrace?: {
    scope?(): { active(): DatadogSpan | null };
    startSpan?(name: string, options: object): DatadogSpan;
    inject?(span: DatadogSpan, format: "text_map", carrier: object): void;
    extract?(format: "text_map", carrier: object): unknown;
    readonly llmobs?: {
      readonly _tagger?: { readonly constructor?: Tagger };
      annotate?(span: DatadogSpan, facts: object): void;
    };
  };
}

/** What its integrations call the span of one model call. */
const MODEL_CALL =
  /^(?:openai|anthropic|google_genai|vertexai)\.request$|^languageModelCall$|\.do(?:Generate|Stream|Embed)$/;

const slots = globalThis as Slot;
const parents = new WeakMap<DatadogSpan, DatadogSpan>();

/** The span that is active at the call site. */
export function activeDatadogSpan(): DatadogSpan | undefined {
  try {
    return slots._ddtrace?.scope?.().active() ?? undefined;
  } catch {
    return undefined;
  }
}

/** The span that an integration of it has open for the model call that is being made. */
export function activeDatadogModelSpan(): DatadogSpan | undefined {
  try {
    let span = activeDatadogSpan();
    // Its own wrapper of fetch may be outside ours.
    if (span !== undefined && nameOf(span) === "http.request") span = parentOf(span);
    return span && isModelCall(span) ? span : undefined;
  } catch {
    return undefined;
  }
}

function isModelCall(span: DatadogSpan): boolean {
  const name = String(nameOf(span));
  // Spans of OpenTelemetry are spans of its own, where it is their provider.
  return MODEL_CALL.test(name) || isModelSpan({ name, attributes: tagsOf(span) });
}

/** The span around a span, where it began in this process. */
export function parentOf(span: DatadogSpan): DatadogSpan | undefined {
  const known = parents.get(span);
  if (known !== undefined) return known;
  try {
    const { _parentId: id, _trace: trace } = span.context();
    // The last of many, mostly. Identifiers compare themselves; the parent's may be a copy of the span's.
    const isWanted = (other: unknown): boolean => other === id || (id?.equals?.(other) ?? String(other) === String(id));
    const parent = trace?.started?.findLast((other) => isWanted(other.context()._spanId));
    if (parent !== undefined) parents.set(span, parent);
    return parent;
  } catch {
    return undefined;
  }
}

/**
 * Starts a span of ours under the parent of another. The parent is given as a remote one: spans that are linked in
 * this one are exported together, and the other may never end.
 * @param startTime Milliseconds since the epoch.
 */
export function startDatadogSpanBeside(
  other: DatadogSpan,
  name: string,
  tags: object,
  startTime: number,
): DatadogSpan | undefined {
  const tracer = slots._ddtrace;
  if (tracer?.startSpan === undefined) return undefined;
  const carrier = {};
  tracer.inject?.(parentOf(other) ?? other, "text_map", carrier);
  const childOf = tracer.extract?.("text_map", carrier) ?? undefined;
  const ours = { component: "spendfuse", "resource.name": name, "span.kind": "client" };
  return tracer.startSpan("spendfuse.call", { childOf, startTime, tags: { ...tags, ...ours } });
}

export function nameOf(span: DatadogSpan): unknown {
  return span.context()._name;
}

export function tagsOf(span: DatadogSpan): Readonly<Record<string, unknown>> {
  const context = span.context();
  return (context.getTags?.() ?? context._tags ?? {}) as Readonly<Record<string, unknown>>;
}

/** LLM Observability's facts about a span; its kind is no tag before the span has ended. */
export type Observed = (span: DatadogSpan) => Readonly<Record<string, unknown>> | undefined;

/** Undefined where LLM Observability is not on. */
export function observations(): Observed | undefined {
  const map = slots._ddtrace?.llmobs?._tagger?.constructor?.tagMap;
  return map && ((span) => map.get(span));
}

/** The kinds of a span that have a cost in LLM Observability. */
const COSTING: ReadonlySet<unknown> = new Set(["llm", "embedding"]);
const KIND = "_ml_obs.meta.span.kind";

/**
 * Gives LLM Observability the cost of the call that a span is of, in USD, by its SDK: it shows it as it is, instead of an
 * estimate from public prices. Nothing is done for a span that it does not have, or that has ended.
 */
export function observeCost(span: DatadogSpan, usd: unknown): void {
  if (typeof usd !== "number" || isFinished(span) || !COSTING.has(observations()?.(span)?.[KIND])) return;
  slots._ddtrace?.llmobs?.annotate?.(span, { metrics: { total_cost: usd } });
}

export function isFinished(span: DatadogSpan): boolean {
  return span.context()._isFinished === true;
}
