import type { ResourceMetrics } from "@opentelemetry/sdk-metrics";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import type { Target } from "./endpoint.ts";
import type { Metrics, Scope } from "./points.ts";
import type { EndedSpan } from "./spans.ts";

/** Spans of one resource, to be sent in one request. */
export interface Spans {
  readonly resource: Readonly<Record<string, string>>;
  readonly scope: Scope;
  readonly spans: readonly EndedSpan[];
}

/** Something to send: what can be written to disk and be read back. */
export type Content =
  | { readonly signal: "metrics"; readonly data: Metrics }
  | { readonly signal: "traces"; readonly data: Spans };

/** What a receiver rejected of a request that it answered with 2xx. */
export interface Rejection {
  readonly count: number;
  readonly message: string;
}

/** The serializers inside OpenTelemetry's OTLP exporters. */
export interface Encoder {
  encode(content: Content, encoding: Target["encoding"]): Uint8Array;
  /** Undefined when everything was taken. */
  rejection(signal: Content["signal"], body: Uint8Array, protobuf: boolean): Rejection | undefined;
}

/** Loads OpenTelemetry (60 ms), so never at start-up. */
export async function loadEncoder(): Promise<Encoder> {
  const otlp = await import("@opentelemetry/otlp-transformer");
  return {
    encode(content, encoding) {
      const json = encoding === "json";
      if (content.signal === "metrics") {
        const serializer = json ? otlp.JsonMetricsSerializer : otlp.ProtobufMetricsSerializer;
        return serializer.serializeRequest(content.data as unknown as ResourceMetrics) ?? NOTHING;
      }
      const serializer = json ? otlp.JsonTraceSerializer : otlp.ProtobufTraceSerializer;
      return serializer.serializeRequest(revive(content.data)) ?? NOTHING;
    },
    rejection(signal, body, protobuf) {
      if (body.length === 0) return undefined;
      try {
        if (signal === "metrics") {
          const serializer = protobuf ? otlp.ProtobufMetricsSerializer : otlp.JsonMetricsSerializer;
          const { rejectedDataPoints, errorMessage } = serializer.deserializeResponse(body).partialSuccess ?? {};
          return toRejection(rejectedDataPoints, errorMessage);
        }
        const serializer = protobuf ? otlp.ProtobufTraceSerializer : otlp.JsonTraceSerializer;
        const { rejectedSpans, errorMessage } = serializer.deserializeResponse(body).partialSuccess ?? {};
        return toRejection(rejectedSpans, errorMessage);
      } catch {
        // Not the answer of an OTLP receiver, but a 2xx.
        return undefined;
      }
    },
  };
}

const NOTHING = new Uint8Array();

/** 64-bit counts come as strings in JSON. */
function toRejection(count: unknown, message: string | undefined): Rejection | undefined {
  const rejected = Number(count ?? 0);
  return rejected > 0 || message ? { count: rejected, message: message ?? "" } : undefined;
}

/** Plain spans in the shape that the serializer reads. */
function revive({ resource, scope, spans }: Spans): ReadableSpan[] {
  const shared = { attributes: resource } as unknown as ReadableSpan["resource"];
  return spans.map((span) => {
    const { traceId, spanId, parentSpanId, attributes, startTime, endTime, status, name, kind } = span;
    return {
      name,
      kind,
      spanContext: () => ({ traceId, spanId, traceFlags: 1 }),
      ...(parentSpanId !== undefined && { parentSpanContext: { traceId, spanId: parentSpanId, traceFlags: 1 } }),
      startTime: [...startTime],
      endTime: [...endTime],
      status,
      attributes,
      links: [],
      events: [],
      duration: [0, 0],
      ended: true,
      resource: shared,
      instrumentationScope: scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    } satisfies ReadableSpan;
  });
}
