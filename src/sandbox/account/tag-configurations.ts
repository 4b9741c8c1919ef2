import { type AccountAnswer, type AccountRequest, type Body, isBody, noContent, ok, refuse } from "./answer.ts";

/** Which tags of a metric can be queried. */
export interface TagConfigurations {
  handle(request: AccountRequest): AccountAnswer | undefined;
  of(metric: string): Body | undefined;
}

interface Stored {
  readonly attributes: Body;
  readonly created: string;
  readonly modified: string;
}

const PATH = /^\/api\/v2\/metrics\/([^/]+)\/tags$/;
const TYPES: ReadonlySet<unknown> = new Set(["gauge", "count", "rate", "distribution"]);
const MAX = 5_000;

/** @param now an ISO time, as Datadog writes it */
export function createTagConfigurations(now: () => string): TagConfigurations {
  const all = new Map<string, Stored>();

  function create(metric: string, sent: Body): AccountAnswer {
    if (all.has(metric)) return refuse(409, `Metric ${metric} already has a tag configuration`);
    if (all.size >= MAX) return refuse(400, `the sandbox configures ${MAX} metrics at most`);
    const { metric_type: type, tags, ...rest } = sent;
    if (!TYPES.has(type)) return refuse(400, "metric_type must be one of gauge, count, rate, distribution");
    if (!isTags(tags)) return refuse(400, "tags must be a list of tag keys");
    const defaults = type === "distribution" ? {} : { aggregations: [{ time: "sum", space: "sum" }] };
    const attributes = { exclude_tags_mode: false, ...defaults, ...rest, metric_type: type, tags };
    const time = now();
    all.set(metric, { attributes, created: time, modified: time });
    return ok(show(metric), 201);
  }

  function change(metric: string, sent: Body): AccountAnswer {
    const before = all.get(metric);
    if (before === undefined) return refuse(404, `${metric} not found`);
    if (sent.tags !== undefined && !isTags(sent.tags)) return refuse(400, "tags must be a list of tag keys");
    // The type is the metric's own.
    const attributes = { ...before.attributes, ...sent, metric_type: before.attributes.metric_type };
    all.set(metric, { ...before, attributes, modified: now() });
    return ok(show(metric));
  }

  function show(metric: string): Body {
    const { attributes, created, modified } = all.get(metric) as Stored;
    const times = { created_at: created, modified_at: modified };
    return { data: { type: "manage_tags", id: metric, attributes: { ...attributes, ...times } } };
  }

  return {
    of: (metric) => all.get(metric)?.attributes,
    handle({ method, path, body }) {
      const [, encoded] = PATH.exec(path) ?? [];
      if (encoded === undefined) return undefined;
      const metric = decodeURIComponent(encoded);
      if (method === "POST" || method === "PATCH") {
        const data = isBody(body) ? body.data : undefined;
        if (!isBody(data) || data.type !== "manage_tags" || data.id !== metric || !isBody(data.attributes))
          return refuse(400, "data must be of type manage_tags, with the metric's name as its id");
        return method === "POST" ? create(metric, data.attributes) : change(metric, data.attributes);
      }
      if (!all.has(metric)) return refuse(404, `${metric} not found`);
      if (method === "GET") return ok(show(metric));
      if (method !== "DELETE") return undefined;
      all.delete(metric);
      return noContent();
    },
  };
}

function isTags(value: unknown): boolean {
  return Array.isArray(value) && value.every((tag) => typeof tag === "string" && tag !== "");
}
