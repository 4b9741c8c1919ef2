import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

/** One request as it arrived. */
export interface OtlpRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Bytes after decompression. */
  readonly bytes: number;
  /** Undefined when the body is protobuf. */
  readonly json: unknown;
  readonly status: number;
}

export interface OtlpPoint {
  readonly metric: string;
  readonly unit: string;
  readonly kind: "sum" | "gauge" | "histogram";
  readonly tags: Readonly<Record<string, string>>;
  readonly resource: Readonly<Record<string, string>>;
  readonly start: number;
  readonly second: number;
  readonly temporality: number | undefined;
  /** The sum of a histogram. */
  readonly value: number;
  readonly count: number | undefined;
}

export interface OtlpSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface Answer {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Never answers. */
  readonly hang?: boolean;
  /** Takes the data and then never answers. */
  readonly takeAndHang?: boolean;
}

/**
 * A real OTLP receiver over HTTP (JSON, gzip) that stores points as Datadog does: of two with the same metric, tags and
 * whole second the last one stays.
 */
export interface OtlpReceiver {
  /** The root, as OTEL_EXPORTER_OTLP_ENDPOINT wants it. */
  readonly url: string;
  readonly requests: readonly OtlpRequest[];
  /** What the receiver answers from now on; 200 by default. A status other than 2xx takes nothing. */
  answer(how: (path: string) => Answer): void;
  points(metric?: string): readonly OtlpPoint[];
  /** Sum of all points kept of a counter, in nano-units for `spendfuse.cost`. */
  total(metric: string, tags?: Readonly<Record<string, string>>): number;
  readonly spans: readonly OtlpSpan[];
  /** Resolves when it holds. What it waits for comes; only when it does not it fails after that many milliseconds. */
  until(holds: () => boolean, ms?: number): Promise<void>;
  close(): Promise<void>;
}

interface Pair {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: number;
    readonly doubleValue?: number;
    readonly boolValue?: boolean;
  };
}

interface RawPoint {
  readonly attributes: readonly Pair[];
  readonly startTimeUnixNano: string;
  readonly timeUnixNano: string;
  readonly asDouble?: number;
  readonly asInt?: number | string;
  readonly sum?: number;
  readonly count?: number;
}

interface RawMetric {
  readonly name: string;
  readonly unit: string;
  readonly sum?: { readonly dataPoints: readonly RawPoint[]; readonly aggregationTemporality: number };
  readonly gauge?: { readonly dataPoints: readonly RawPoint[] };
  readonly histogram?: { readonly dataPoints: readonly RawPoint[]; readonly aggregationTemporality: number };
}

interface RawBody {
  readonly resourceMetrics?: readonly {
    readonly resource: { readonly attributes: readonly Pair[] };
    readonly scopeMetrics: readonly { readonly metrics: readonly RawMetric[] }[];
  }[];
  readonly resourceSpans?: readonly {
    readonly scopeSpans: readonly {
      readonly spans: readonly (OtlpSpan & { readonly attributes: readonly Pair[] })[];
    }[];
  }[];
}

/** @param port A free one when it is 0. */
export async function startOtlpReceiver(port = 0): Promise<OtlpReceiver> {
  const requests: OtlpRequest[] = [];
  const kept = new Map<string, OtlpPoint>();
  const spans = new Map<string, OtlpSpan>();
  let how: (path: string) => Answer = () => ({});

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const sent = Buffer.concat(chunks);
    const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(sent) : sent;
    const json =
      request.headers["content-type"] === "application/json" ? (JSON.parse(body.toString()) as RawBody) : undefined;
    const path = request.url ?? "";
    const { status = 200, body: reply = {}, headers = {}, hang = false, takeAndHang = false } = how(path);
    requests.push({ path, headers: request.headers, bytes: body.length, json, status });
    if (hang) return;
    if (json && status < 300) take(json);
    if (takeAndHang) return;
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(reply));
  });

  function take(body: RawBody): void {
    for (const { resource, scopeMetrics } of body.resourceMetrics ?? []) {
      for (const metric of scopeMetrics.flatMap((one) => one.metrics)) takeMetric(metric, toTags(resource.attributes));
    }
    for (const { scopeSpans } of body.resourceSpans ?? []) {
      for (const span of scopeSpans.flatMap((one) => one.spans)) {
        spans.set(span.spanId, { ...span, attributes: toTags(span.attributes) });
      }
    }
  }

  function takeMetric(metric: RawMetric, resource: Record<string, string>): void {
    const kind = metric.sum ? "sum" : metric.gauge ? "gauge" : "histogram";
    const data = metric.sum ?? metric.histogram;
    for (const point of (data ?? metric.gauge)?.dataPoints ?? []) {
      const tags = toTags(point.attributes);
      const second = Math.floor(Number(point.timeUnixNano) / 1e9);
      const key = JSON.stringify([
        metric.name,
        Object.entries(tags).sort(),
        kind === "histogram" ? resource : 0,
        second,
      ]);
      kept.set(key, {
        metric: metric.name,
        unit: metric.unit,
        kind,
        tags,
        resource,
        start: Math.floor(Number(point.startTimeUnixNano) / 1e9),
        second,
        temporality: data?.aggregationTemporality,
        value: Number(point.asDouble ?? point.asInt ?? point.sum),
        count: point.count,
      });
    }
  }

  const points = (metric?: string) =>
    [...kept.values()].filter((point) => metric === undefined || point.metric === metric);

  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    points,
    answer(next) {
      how = next;
    },
    total(metric, tags = {}) {
      const scale = metric === "spendfuse.cost" ? 1e9 : 1;
      return points(metric)
        .filter((point) => Object.entries(tags).every(([name, value]) => point.tags[name] === value))
        .reduce((sum, { value }) => sum + Math.round(value * scale), 0);
    },
    get spans() {
      return [...spans.values()];
    },
    async until(holds, ms = 60_000) {
      const end = Date.now() + ms;
      while (!holds()) {
        if (Date.now() > end) throw new Error(`not within ${ms} ms; ${requests.length} requests came`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function toTags(pairs: readonly Pair[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map(({ key, value }) => [
      key,
      String(value.stringValue ?? value.intValue ?? value.doubleValue ?? value.boolValue),
    ]),
  );
}
