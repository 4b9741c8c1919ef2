import { isDeepStrictEqual } from "node:util";
import { isGrouped, schemaFault } from "../../datadog/schema/monitor.ts";
import { storedMonitor } from "../../datadog/stored.ts";
import type { MonitorStates } from "../monitor/states.ts";
import { type AccountAnswer, type AccountRequest, type Body, isBody, ok, refuse } from "./answer.ts";
import { iso } from "./iso.ts";
import { showGroups, showOverall } from "./monitor-states.ts";

export interface StoredMonitor {
  readonly id: number;
  /** As Datadog stores what was sent, without ids and times. */
  readonly body: Body;
  /** Seconds. */
  readonly created: number;
  readonly modified: number;
}

export interface Monitors {
  handle(request: AccountRequest, rest: string): AccountAnswer | undefined;
  readonly all: readonly StoredMonitor[];
}

interface MonitorsOptions {
  readonly now: () => number;
  readonly validate: (monitor: Body) => string | undefined;
  readonly onChange: () => void;
  /** Undefined for a monitor that nothing evaluates. */
  readonly statesOf: (id: number) => MonitorStates | undefined;
  /** The downtimes that silence a monitor now, as it shows them. */
  readonly downtimesOf: (monitor: StoredMonitor) => readonly object[];
}

const MAX_MONITORS = 2_000;
const FIRST_ID = 1_001;
/** What makes two monitors the same one. */
const IDENTITY = ["type", "query", "name", "message", "tags", "options"] as const;
/** What Datadog sets itself and ignores in a request. */
const SERVER_MADE = [
  "id",
  "org_id",
  "created",
  "created_at",
  "modified",
  "deleted",
  "creator",
  "multi",
  "overall_state",
  "overall_state_modified",
  "matching_downtimes",
  "state",
];

export function createMonitors({ now, validate, onChange, statesOf, downtimesOf }: MonitorsOptions): Monitors {
  const monitors = new Map<number, StoredMonitor>();
  let next = FIRST_ID;

  const faultOf = (body: unknown): string | undefined => schemaFault(body) ?? validate(body as Body);

  function create(body: unknown): AccountAnswer {
    const fault = faultOf(body);
    if (fault !== undefined) return refuse(400, fault);
    const stored = storedMonitor(without(body as Body, SERVER_MADE));
    const known = [...monitors.values()].find((other) => isSame(other.body, stored));
    if (known !== undefined) return refuse(400, `Duplicate of an existing monitor_id:${known.id}`);
    if (monitors.size >= MAX_MONITORS) return refuse(400, `the sandbox holds ${MAX_MONITORS} monitors at most`);
    const monitor = { id: next, body: stored, created: now(), modified: now() };
    next += 1;
    monitors.set(monitor.id, monitor);
    onChange();
    return ok({ ...show(monitor), restriction_policy: null });
  }

  function change(id: number, body: unknown): AccountAnswer {
    const before = monitors.get(id);
    if (before === undefined) return refuse(404, "Monitor not found");
    const merged = { ...before.body, ...(isBody(body) ? body : {}) };
    const fault = faultOf(merged);
    if (fault !== undefined) return refuse(400, fault);
    const stored = storedMonitor(without(merged, SERVER_MADE));
    // Options that are not sent stay as they are, without new defaults.
    if (!isBody(body) || body.options === undefined) stored.options = before.body.options;
    const monitor = { ...before, body: stored, modified: now() };
    monitors.set(id, monitor);
    onChange();
    return ok({ ...without(show(monitor), ["creator"]), restriction_policy: null });
  }

  function validated(body: unknown): AccountAnswer {
    const fault = faultOf(body);
    return fault === undefined ? ok({}) : refuse(400, fault);
  }

  function list(query: URLSearchParams): AccountAnswer {
    const tags = query.get("monitor_tags")?.split(",") ?? [];
    const name = query.get("name");
    const found = [...monitors.values()].filter(({ body }) => {
      const own = (body.tags as readonly string[] | undefined) ?? [];
      return tags.every((tag) => own.includes(tag)) && (name === null || String(body.name).includes(name));
    });
    const size = Number(query.get("page_size") ?? 100);
    const page = query.get("page");
    const chosen = page === null ? found : found.slice(Number(page) * size, (Number(page) + 1) * size);
    return ok(chosen.map((one) => ({ ...read(one, query), matching_downtimes: downtimesOf(one) })));
  }

  function canDelete(query: URLSearchParams): AccountAnswer {
    const ids = (query.get("monitor_ids") ?? "").split(",").map(Number);
    return ok({ data: { ok: ids.filter((id) => monitors.has(id)) }, errors: null });
  }

  function show(monitor: StoredMonitor): Body {
    return { ...showStored(monitor), ...showOverall(statesOf(monitor.id)) };
  }

  /** One monitor, with the parts that the request's query asks for. */
  function read(monitor: StoredMonitor, query: URLSearchParams): Body {
    const hidden = query.get("with_restricted_roles") === "false" ? ["restricted_roles"] : [];
    const wanted = query.get("group_states")?.split(",") ?? [];
    return {
      ...without(show(monitor), hidden),
      ...(query.get("with_downtimes") === "true" && { matching_downtimes: downtimesOf(monitor) }),
      ...(wanted.length > 0 && { state: showGroups(statesOf(monitor.id), wanted) }),
    };
  }

  function one({ method, query, body }: AccountRequest, id: number): AccountAnswer | undefined {
    const monitor = monitors.get(id);
    if (method === "PUT") return change(id, body);
    if (monitor === undefined) return refuse(404, "Monitor not found");
    if (method === "GET") return ok(read(monitor, query));
    if (method !== "DELETE") return undefined;
    monitors.delete(id);
    onChange();
    return ok({ deleted_monitor_id: id });
  }

  return {
    get all() {
      return [...monitors.values()];
    },
    handle(request, rest) {
      const { method, query, body } = request;
      if (rest === "") return method === "POST" ? create(body) : method === "GET" ? list(query) : undefined;
      if (rest === "/validate") return method === "POST" ? validated(body) : undefined;
      if (rest === "/can_delete") return method === "GET" ? canDelete(query) : undefined;
      const [, id, action] = /^\/(\d+)(\/validate)?$/.exec(rest) ?? [];
      if (id === undefined) return undefined;
      if (action === undefined) return one(request, Number(id));
      if (method !== "POST") return undefined;
      return monitors.has(Number(id)) ? validated(body) : refuse(404, "Monitor not found");
    },
  };
}

function isSame(a: Body, b: Body): boolean {
  return IDENTITY.every((key) => isDeepStrictEqual(a[key], b[key]));
}

/** With all that Datadog adds. */
function showStored({ id, body, created, modified }: StoredMonitor): Body {
  return {
    draft_status: "published",
    restricted_roles: null,
    ...body,
    assets: ((body.assets ?? []) as readonly Body[]).map((asset) => showAsset(asset, id)),
    id,
    org_id: 1,
    created: iso(created),
    created_at: Math.floor(created) * 1_000,
    modified: iso(modified),
    deleted: null,
    creator: { id: 1, name: "Sandbox", handle: "sandbox@example.com", email: "sandbox@example.com" },
    multi: isGrouped(String(body.query)),
  };
}

function showAsset(asset: Body, monitor: number): Body {
  const added = { template_variables: {}, options: {}, resource_key: null, resource_type: null };
  return { ...added, ...asset, monitor_id: monitor };
}

function without(body: Body, keys: readonly string[]): Body {
  return Object.fromEntries(Object.entries(body).filter(([key]) => !keys.includes(key)));
}
