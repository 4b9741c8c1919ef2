import { storedDashboard } from "../../datadog/stored.ts";
import { type AccountAnswer, type AccountRequest, type Body, isBody, noContent, ok, refuse } from "./answer.ts";
import { templateFault } from "./dashboard-schema.ts";
import { iso } from "./iso.ts";
import { withWidgetIds } from "./widget-ids.ts";

export interface StoredDashboard {
  readonly id: string;
  /** As Datadog stores what was sent, without its id and times. */
  readonly body: Body;
  /** Seconds. */
  readonly created: number;
  readonly modified: number;
}

export interface Dashboards {
  handle(request: AccountRequest, rest: string): AccountAnswer | undefined;
  readonly all: readonly StoredDashboard[];
}

const MAX_DASHBOARDS = 500;
const MAX_SLUG = 80;
const NEEDED = ["title", "layout_type", "widgets"] as const;
const LETTERS = "abcdefghijkmnpqrstuvwxyz23456789";
/** What Datadog sets itself and ignores in a request. */
const SERVER_MADE = new Set(["id", "author_handle", "author_name", "url", "created_at", "modified_at"]);

export function createDashboards(now: () => number, onChange: () => void): Dashboards {
  const dashboards = new Map<string, StoredDashboard>();
  const deleted = new Map<string, StoredDashboard>();
  let count = 0;

  function put(id: string, body: unknown, created: number): AccountAnswer {
    const fault = faultOf(body);
    if (fault !== undefined) return refuse(400, fault);
    const own = Object.fromEntries(Object.entries(body as Body).filter(([key]) => !SERVER_MADE.has(key)));
    const dashboard = { id, body: withWidgetIds(storedDashboard(own), id), created, modified: now() };
    dashboards.set(id, dashboard);
    onChange();
    return ok(show(dashboard));
  }

  function create(body: unknown): AccountAnswer {
    if (dashboards.size >= MAX_DASHBOARDS) return refuse(400, `the sandbox holds ${MAX_DASHBOARDS} dashboards at most`);
    count += 1;
    return put(idOf(count), body, now());
  }

  function list(query: URLSearchParams): AccountAnswer {
    const start = Number(query.get("start") ?? 0);
    const size = Number(query.get("count") ?? 100);
    const from = query.get("filter[deleted]") === "true" ? deleted : dashboards;
    const shared = query.get("filter[shared]") === "true";
    return ok({ dashboards: shared ? [] : [...from.values()].slice(start, start + size).map(summarize) });
  }

  /** Moves dashboards to the bin, or back. All or none. */
  function move(body: unknown, from: Map<string, StoredDashboard>, to: Map<string, StoredDashboard>): AccountAnswer {
    const ids = ((body as { data?: readonly Body[] } | undefined)?.data ?? []).map(({ id }) => String(id));
    const missing = ids.find((id) => !from.has(id));
    if (missing !== undefined) return refuse(404, `Dashboard with ID ${missing} not found`);
    for (const id of ids) {
      to.set(id, from.get(id) as StoredDashboard);
      from.delete(id);
    }
    onChange();
    return noContent();
  }

  function all({ method, query, body }: AccountRequest): AccountAnswer | undefined {
    switch (method) {
      case "GET":
        return list(query);
      case "POST":
        return create(body);
      case "DELETE":
        return move(body, dashboards, deleted);
      case "PATCH":
        return move(body, deleted, dashboards);
      default:
        return undefined;
    }
  }

  return {
    get all() {
      return [...dashboards.values()];
    },
    handle(request, rest) {
      const { method, body } = request;
      if (rest === "") return all(request);
      // Lists and shared dashboards are other resources, which the sandbox lacks.
      if (rest.slice(1).includes("/") || rest === "/public") return undefined;
      const dashboard = dashboards.get(rest.slice(1));
      if (dashboard === undefined) return refuse(404, `Dashboard with ID ${rest.slice(1)} not found`);
      if (method === "GET") return ok(show(dashboard));
      if (method === "PUT") return put(dashboard.id, body, dashboard.created);
      if (method !== "DELETE") return undefined;
      move({ data: [{ id: dashboard.id }] }, dashboards, deleted);
      return ok({ deleted_dashboard_id: dashboard.id });
    },
  };
}

function faultOf(body: unknown): string | undefined {
  const missing = isBody(body) ? NEEDED.find((key) => body[key] === undefined) : "title";
  if (missing !== undefined) return `Invalid dashboard: '${missing}' is a required property`;
  return templateFault(body as Body);
}

/** Ids in Datadog's form, such as `abc-def-ghi`. */
function idOf(count: number): string {
  let rest = count * 7_919_000_003;
  let id = "";
  for (let i = 0; i < 9; i += 1) {
    id += LETTERS[rest % LETTERS.length];
    if (i === 2 || i === 5) id += "-";
    rest = Math.floor(rest / LETTERS.length) + count * 31 * (i + 1);
  }
  return id;
}

function show({ id, body, created, modified }: StoredDashboard): Body {
  const added = {
    author_handle: "sandbox@example.com",
    author_name: "Sandbox",
    url: `/dashboard/${id}/${slugOf(String(body.title))}`,
  };
  return { ...body, id, ...added, created_at: iso(created), modified_at: iso(modified) };
}

/** The title in a dashboard's address. */
function slugOf(title: string): string {
  const words = title
    .toLowerCase()
    .replace(/[^a-z0-9\s-]/g, "")
    .trim()
    .replace(/[\s-]+/g, "-");
  return words.slice(0, MAX_SLUG).replace(/-$/, "");
}

function summarize(dashboard: StoredDashboard): Body {
  const { id, title, description, layout_type, url, author_handle, created_at, modified_at } = show(dashboard);
  const times = { created_at, modified_at, deleted_at: null };
  return { id, title, description, layout_type, url, is_read_only: false, ...times, author_handle };
}
