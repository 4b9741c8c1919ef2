import type { Json, RecordedExchange } from "./exchanges.ts";
import { parse } from "./exchanges.ts";

/** Sends a request to the sandbox. */
export type Ask = (method: string, path: string, body?: unknown) => Promise<Reply>;

export interface Reply {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: unknown;
}

/** The ids that stand for the recorded ones. */
export type Ids = ReadonlyMap<string, string>;

const DASHBOARD = "/api/v1/dashboard";
const MONITOR = "/api/v1/monitor";
const HOOKS = "/api/v1/integration/webhooks/configuration";

/** Brings an account to the state before a recorded request. Resolves to the ids of what it made. */
export async function prepare(exchange: RecordedExchange, ask: Ask, point: (metric: string) => void): Promise<Ids> {
  const { method, status } = exchange;
  const path = exchange.path.split("?")[0] as string;
  const request = parse(exchange.request);
  const response = parse(exchange.response);
  const ids = new Map<string, string>();
  const make = async (collection: string, body: unknown, id: unknown): Promise<string> => {
    const made = await ask("POST", collection, body);
    if (made.status >= 300) throw new Error(`cannot prepare ${method} ${path}: ${JSON.stringify(made.body)}`);
    const own = String((made.body as Json).id ?? "");
    if (id !== undefined) ids.set(String(id), own);
    return own;
  };
  const [, metric] = /^\/api\/v[12]\/metrics\/([^/]+)(\/tags)?$/.exec(path) ?? [];
  if (metric !== undefined && status !== 404) {
    point(decodeURIComponent(metric));
    if (path.startsWith("/api/v1/") && method === "GET") await ask("PUT", path, response);
    if (path.endsWith("/tags") && method !== "POST") await ask("POST", path, configuration(metric, response));
    return ids;
  }
  if (status === 404) return ids;
  const [, dashboard] = /^\/api\/v1\/dashboard\/(\w{3}-\w{3}-\w{3})$/.exec(path) ?? [];
  if (dashboard !== undefined) await make(DASHBOARD, method === "GET" ? response : (request ?? EMPTY_BOARD), dashboard);
  if (path === DASHBOARD && (method === "DELETE" || method === "PATCH")) {
    for (const { id } of (request as { data: readonly Json[] }).data) {
      const own = await make(DASHBOARD, EMPTY_BOARD, id);
      if (method === "PATCH") await ask("DELETE", `${DASHBOARD}/${own}`);
    }
  }
  if (path === DASHBOARD && method === "GET")
    for (const one of (response as { dashboards: readonly Json[] }).dashboards)
      await make(
        DASHBOARD,
        { ...EMPTY_BOARD, title: one.title, description: one.description, layout_type: one.layout_type },
        one.id,
      );
  const [, monitor] = /^\/api\/v1\/monitor\/(\d+)(\/validate)?$/.exec(path) ?? [];
  if (monitor !== undefined) await make(MONITOR, method === "GET" ? response : (request ?? SOME_MONITOR), monitor);
  if (path === MONITOR && method === "GET")
    for (const one of response as readonly Json[]) await make(MONITOR, one, one.id);
  if (path === `${MONITOR}/can_delete`) {
    for (const id of new URL(exchange.path, "http://x").searchParams.get("monitor_ids")?.split(",") ?? [])
      await make(MONITOR, SOME_MONITOR, id);
  }
  const [, kind, name] = /\/configuration\/(webhooks|custom-variables)\/(.+)$/.exec(path) ?? [];
  if (kind !== undefined) {
    const body = method === "GET" ? response : (request ?? {});
    const more = kind === "webhooks" ? { url: "https://example.com" } : { value: "v", is_secret: false };
    await make(`${HOOKS}/${kind}`, { ...more, ...(body as Json), name }, undefined);
  }
  const [, file] = /^\/api\/v2\/cost\/custom_costs\/([^/]+)$/.exec(path) ?? [];
  if (file !== undefined || (path.endsWith("/custom_costs") && method === "GET" && status === 200)) {
    const made = await ask("PUT", "/api/v2/cost/custom_costs", COSTS);
    ids.set(file ?? "", String((made.body as { data: Json }).data.id));
  }
  return ids;
}

function configuration(metric: string, response: unknown): unknown {
  const { attributes } = ((response as { data?: Json } | undefined)?.data ?? {}) as { attributes?: Json };
  const { created_at: _, modified_at: __, ...rest } = attributes ?? { metric_type: "count", tags: ["a"] };
  return { data: { type: "manage_tags", id: decodeURIComponent(metric), attributes: rest } };
}

const EMPTY_BOARD = { title: "t", layout_type: "ordered", widgets: [] };
const SOME_MONITOR = { type: "query alert", name: "m", query: "avg(last_5m):avg:a{*} > 1" };
const COSTS = [
  {
    ProviderName: "my_provider",
    ChargeDescription: "d",
    ChargePeriodStart: "2023-05-06",
    ChargePeriodEnd: "2023-06-06",
    BilledCost: 250,
    BillingCurrency: "USD",
    Tags: { a: "b" },
  },
];

/** A path with the sandbox's own ids. */
export function withIds(path: string, ids: Ids): string {
  let own = path;
  for (const [recorded, id] of ids) if (recorded !== "") own = own.replaceAll(recorded, id);
  return own;
}

/** A body with the sandbox's own ids, where the recorded ones are values. */
export function bodyWithIds(text: string | undefined, ids: Ids): unknown {
  return text === undefined ? undefined : parse(withIds(text, ids));
}
