import { type AccountAnswer, type AccountRequest, type Body, isBody, noContent, ok, refuse } from "./answer.ts";

/** Metric metadata of an account. */
export interface Metadata {
  handle(request: AccountRequest): AccountAnswer | undefined;
  of(metric: string): Body | undefined;
  isHistorical(metric: string): boolean;
}

const METRIC = "/api/v1/metrics/";
const HISTORICAL = "/api/v2/metrics/historical-metrics-configurations";
const TYPE = "historical_metrics_configurations";
const MAX = 5_000;
/** What Datadog answers of a metric that nobody described. */
const UNKNOWN = {
  description: null,
  short_name: null,
  integration: null,
  statsd_interval: null,
  per_unit: null,
  type: null,
  unit: null,
};

export function createMetadata(now: () => number, knows: (metric: string) => boolean): Metadata {
  const metadata = new Map<string, Body>();
  const historical = new Map<string, number>();

  function describe({ method, path, body }: AccountRequest): AccountAnswer | undefined {
    const name = decodeURIComponent(path.slice(METRIC.length));
    if (name.includes("/")) return undefined;
    // Before the first point there is nothing to describe.
    if (!knows(name)) return refuse(404, `metric ${name} not found`);
    if (method === "GET") return ok({ ...UNKNOWN, ...metadata.get(name) });
    if (method !== "PUT" || !isBody(body)) return undefined;
    if (metadata.size >= MAX && !metadata.has(name)) return refuse(400, `the sandbox describes ${MAX} metrics at most`);
    metadata.set(name, { ...metadata.get(name), ...body });
    return ok({ ...UNKNOWN, ...metadata.get(name) });
  }

  function configure({ method, path, body }: AccountRequest): AccountAnswer | undefined {
    if (path === HISTORICAL) {
      if (method === "GET") return ok({ data: [...historical.keys()].map(show) });
      const { id } = ((body as { data?: Body } | undefined)?.data ?? {}) as Body;
      if (method !== "POST" || typeof id !== "string") return refuse(400, "data.id must be the name of a metric");
      historical.set(id, historical.get(id) ?? now());
      return ok({ data: show(id) }, 201);
    }
    const name = decodeURIComponent(path.slice(HISTORICAL.length + 1));
    if (method === "DELETE") {
      historical.delete(name);
      return noContent();
    }
    return historical.has(name) ? ok({ data: show(name) }) : refuse(404, `${name} is not configured`);
  }

  function show(id: string): Body {
    return { id, type: TYPE, attributes: { created_at: new Date((historical.get(id) ?? 0) * 1_000).toISOString() } };
  }

  return {
    handle(request) {
      if (request.path.startsWith(HISTORICAL)) return configure(request);
      return request.path.startsWith(METRIC) ? describe(request) : undefined;
    },
    of: (metric) => metadata.get(metric),
    isHistorical: (metric) => historical.has(metric),
  };
}
