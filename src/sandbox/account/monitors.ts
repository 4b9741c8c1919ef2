import { isDeepStrictEqual } from "node:util";
import { type AccountAnswer, type AccountRequest, type Body, isBody, ok, refuse } from "./answer.ts";

export interface StoredMonitor {
  readonly id: number;
  /** As it was last sent, and nothing else. */
  readonly body: Body;
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
}

const MAX_MONITORS = 2_000;
const FIRST_ID = 1_001;
const NEEDED = ["type", "query"] as const;
/** What makes two monitors the same one. */
const IDENTITY = ["type", "query", "name", "message", "tags", "options"] as const;

export function createMonitors({ now, validate, onChange }: MonitorsOptions): Monitors {
  const monitors = new Map<number, StoredMonitor>();
  let next = FIRST_ID;

  function faultOf(body: unknown): string | undefined {
    if (!isBody(body)) return "the body must be a monitor";
    for (const key of NEEDED)
      if (typeof body[key] !== "string") return `The value provided for parameter '${key}' is invalid`;
    return validate(body);
  }

  function create(body: unknown): AccountAnswer {
    const fault = faultOf(body);
    if (fault !== undefined) return refuse(400, fault);
    const known = [...monitors.values()].find((other) => isSame(other.body, body as Body));
    if (known !== undefined) return refuse(400, `Duplicate of an existing monitor_id:${known.id}`);
    if (monitors.size >= MAX_MONITORS) return refuse(400, `the sandbox holds ${MAX_MONITORS} monitors at most`);
    const monitor = { id: next, body: body as Body, created: now(), modified: now() };
    next += 1;
    monitors.set(monitor.id, monitor);
    onChange();
    return ok(show(monitor));
  }

  function change(id: number, body: unknown): AccountAnswer {
    const before = monitors.get(id);
    if (before === undefined) return refuse(404, "Monitor not found");
    const merged = { ...before.body, ...(isBody(body) ? body : {}) };
    const fault = faultOf(merged);
    if (fault !== undefined) return refuse(400, fault);
    const monitor = { ...before, body: merged, modified: now() };
    monitors.set(id, monitor);
    onChange();
    return ok(show(monitor));
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
    return ok((page === null ? found : found.slice(Number(page) * size, (Number(page) + 1) * size)).map(show));
  }

  return {
    get all() {
      return [...monitors.values()];
    },
    handle({ method, query, body }, rest) {
      if (rest === "") return method === "POST" ? create(body) : method === "GET" ? list(query) : undefined;
      if (rest === "/validate" && method === "POST") {
        const fault = faultOf(body);
        return fault === undefined ? ok({}) : refuse(400, fault);
      }
      const id = Number(rest.slice(1));
      if (!Number.isInteger(id)) return undefined;
      const monitor = monitors.get(id);
      if (method === "PUT") return change(id, body);
      if (monitor === undefined) return refuse(404, "Monitor not found");
      if (method === "GET") return ok(show(monitor));
      if (method !== "DELETE") return undefined;
      monitors.delete(id);
      onChange();
      return ok({ deleted_monitor_id: id });
    },
  };
}

function isSame(a: Body, b: Body): boolean {
  return IDENTITY.every((key) => isDeepStrictEqual(a[key], b[key]));
}

/** With all that Datadog adds. */
function show({ id, body, created, modified }: StoredMonitor): Body {
  const iso = (seconds: number): string => new Date(seconds * 1_000).toISOString();
  return {
    ...body,
    id,
    org_id: 1,
    created: iso(created),
    modified: iso(modified),
    deleted: null,
    creator: { id: 1, name: "Sandbox", handle: "sandbox@example.com", email: "sandbox@example.com" },
    multi: / by \{/.test(String(body.query)),
    overall_state: "No Data",
    restricted_roles: null,
    matching_downtimes: [],
  };
}
