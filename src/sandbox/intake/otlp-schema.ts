import type { Schema } from "./protobuf.ts";

const RESOURCE: Schema = {
  Resource: { 1: ["attributes", "KeyValue*"] },
  KeyValue: { 1: ["key", "string"], 2: ["value", "AnyValue"] },
  AnyValue: {
    1: ["stringValue", "string"],
    2: ["boolValue", "bool"],
    3: ["intValue", "int"],
    4: ["doubleValue", "double"],
  },
};

/** The fields of an OTLP metrics request that are read here, named as in OTLP's JSON. */
export const METRICS_SCHEMA: Schema = {
  ...RESOURCE,
  Request: { 1: ["resourceMetrics", "ResourceMetrics*"] },
  ResourceMetrics: { 1: ["resource", "Resource"], 2: ["scopeMetrics", "ScopeMetrics*"] },
  ScopeMetrics: { 2: ["metrics", "Metric*"] },
  Metric: {
    1: ["name", "string"],
    3: ["unit", "string"],
    5: ["gauge", "Numbers"],
    7: ["sum", "Numbers"],
    9: ["histogram", "Histogram"],
    10: ["exponentialHistogram", "Histogram"],
    11: ["summary", "Histogram"],
  },
  Numbers: {
    1: ["dataPoints", "NumberPoint*"],
    2: ["aggregationTemporality", "enum"],
    3: ["isMonotonic", "bool"],
  },
  NumberPoint: {
    3: ["timeUnixNano", "fixed64"],
    4: ["asDouble", "double"],
    6: ["asInt", "sfixed64"],
    7: ["attributes", "KeyValue*"],
    8: ["flags", "enum"],
  },
  Histogram: { 1: ["dataPoints", "HistogramPoint*"], 2: ["aggregationTemporality", "enum"] },
  HistogramPoint: {
    3: ["timeUnixNano", "fixed64"],
    4: ["count", "fixed64"],
    5: ["sum", "double"],
    9: ["attributes", "KeyValue*"],
  },
};

/** The fields of an OTLP traces request that are read here. */
export const TRACES_SCHEMA: Schema = {
  ...RESOURCE,
  Request: { 1: ["resourceSpans", "ResourceSpans*"] },
  ResourceSpans: { 1: ["resource", "Resource"], 2: ["scopeSpans", "ScopeSpans*"] },
  ScopeSpans: { 2: ["spans", "Span*"] },
  Span: {
    1: ["traceId", "bytes"],
    2: ["spanId", "bytes"],
    5: ["name", "string"],
    7: ["startTimeUnixNano", "fixed64"],
    8: ["endTimeUnixNano", "fixed64"],
    9: ["attributes", "KeyValue*"],
  },
};
