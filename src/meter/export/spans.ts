import { spanOf } from "../tracing/otel-global.ts";
import type { OtelAttributes, OtelSpan, OtelSpanContext, OtelTracer } from "../tracing/otel-types.ts";

/** A span that has ended, as plain data: it can be written to disk as JSON and be sent later just as it is. */
export interface EndedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  /** Seconds and nanoseconds since the epoch. */
  readonly startTime: readonly [number, number];
  readonly endTime: readonly [number, number];
  readonly status: { readonly code: number; readonly message?: string };
  readonly attributes: OtelAttributes;
}

/**
 * Our own spans, for apps without tracing. They are not the SDK's: they must work before an SDK is loaded, and be saved
 * at exit, when an SDK can no longer send.
 */
export interface SpanRecorder {
  readonly tracer: OtelTracer;
  /** Takes the spans that have ended. */
  take(): readonly EndedSpan[];
  readonly waiting: number;
}

/** @param dropped Called for every span that is dropped for lack of room. */
export function createSpanRecorder(limit: number, now: () => number, dropped: () => void): SpanRecorder {
  let ended: EndedSpan[] = [];

  return {
    tracer: {
      startSpan(name, options = {}, context) {
        const parent = ((context && spanOf(context)) ?? options.parent)?.spanContext();
        return createSpan(name, parent && /[^0]/.test(parent.traceId) ? parent : undefined, options, now, (span) => {
          if (ended.length < limit) ended.push(span);
          else dropped();
        });
      },
    },
    take() {
      const taken = ended;
      ended = [];
      return taken;
    },
    get waiting() {
      return ended.length;
    },
  };
}

function createSpan(
  name: string,
  parent: OtelSpanContext | undefined,
  options: NonNullable<Parameters<OtelTracer["startSpan"]>[1]>,
  now: () => number,
  onEnd: (span: EndedSpan) => void,
): OtelSpan {
  // A trace that its first service did not sample gets no spans of ours.
  const recording = parent === undefined || (parent.traceFlags & 1) === 1;
  const identity = { traceId: parent?.traceId ?? randomHex(32), spanId: randomHex(16), traceFlags: recording ? 1 : 0 };
  const attributes: OtelAttributes = { ...options.attributes };
  const started = options.startTime ?? now();
  const monotonic = performance.now();
  let status: EndedSpan["status"] = { code: 0 };
  let open = true;

  return {
    name,
    attributes,
    spanContext: () => identity,
    isRecording: () => recording && open,
    setAttributes(added) {
      if (open) Object.assign(attributes, added);
    },
    setStatus(set) {
      if (open) status = set.message === undefined ? { code: set.code } : { code: set.code, message: set.message };
    },
    recordException(exception) {
      if (!open) return;
      attributes["error.type"] ??= exception.name ?? "Error";
    },
    end(endTime) {
      if (!open) return;
      open = false;
      if (!recording) return;
      onEnd({
        ...identity,
        ...(parent && { parentSpanId: parent.spanId }),
        name,
        kind: options.kind ?? 0,
        startTime: toTime(started),
        // A wall clock may be set back; a duration is never negative.
        endTime: toTime(endTime ?? started + performance.now() - monotonic),
        status,
        attributes: defined(attributes),
      });
    },
  };
}

function defined(attributes: OtelAttributes): OtelAttributes {
  const kept: OtelAttributes = {};
  for (const name in attributes) {
    const value = attributes[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

function toTime(ms: number): readonly [number, number] {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)];
}

function randomHex(digits: number): string {
  let hex = "";
  while (hex.length < digits)
    hex += Math.floor(Math.random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, "0");
  return hex.slice(0, digits);
}
