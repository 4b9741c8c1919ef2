import { type AccountAnswer, type AccountRequest, type Body, isBody, ok, refuse } from "./answer.ts";

export interface StoredDashboard {
  readonly id: string;
  /** As it was last sent, and nothing else. */
  readonly body: Body;
  readonly created: number;
  readonly modified: number;
}

export interface Dashboards {
  handle(request: AccountRequest, rest: string): AccountAnswer | undefined;
  readonly all: readonly StoredDashboard[];
}

const MAX_DASHBOARDS = 500;
const NEEDED = ["title", "layout_type", "widgets"] as const;
const LETTERS = "abcdefghijkmnpqrstuvwxyz23456789";

export function createDashboards(now: () => number, onChange: () => void): Dashboards {
  const dashboards = new Map<string, StoredDashboard>();
  let count = 0;

  function put(id: string, body: unknown, created: number): AccountAnswer {
    const missing = isBody(body) ? NEEDED.find((key) => body[key] === undefined) : "title";
    if (missing !== undefined) return refuse(400, `Invalid dashboard: '${missing}' is a required property`);
    const dashboard = { id, body: body as Body, created, modified: now() };
    dashboards.set(id, dashboard);
    onChange();
    return ok(show(dashboard));
  }

  function list(query: URLSearchParams): AccountAnswer {
    const start = Number(query.get("start") ?? 0);
    const size = Number(query.get("count") ?? 100);
    return ok({ dashboards: [...dashboards.values()].slice(start, start + size).map(summarize) });
  }

  return {
    get all() {
      return [...dashboards.values()];
    },
    handle({ method, query, body }, rest) {
      if (rest === "" && method === "GET") return list(query);
      if (rest === "" && method === "POST") {
        if (dashboards.size >= MAX_DASHBOARDS)
          return refuse(400, `the sandbox holds ${MAX_DASHBOARDS} dashboards at most`);
        count += 1;
        return put(idOf(count), body, now());
      }
      const dashboard = dashboards.get(rest.slice(1));
      if (dashboard === undefined) return refuse(404, `Dashboard with ID ${rest.slice(1)} not found`);
      if (method === "GET") return ok(show(dashboard));
      if (method === "PUT") return put(dashboard.id, body, dashboard.created);
      if (method !== "DELETE") return undefined;
      dashboards.delete(dashboard.id);
      onChange();
      return ok({ deleted_dashboard_id: dashboard.id });
    },
  };
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
    url: `/dashboard/${id}`,
    is_read_only: false,
  };
  return {
    notify_list: [],
    template_variables: [],
    ...body,
    id,
    ...added,
    created_at: iso(created),
    modified_at: iso(modified),
  };
}

function summarize(dashboard: StoredDashboard): Body {
  const { id, title, description, layout_type, url, author_handle, created_at, modified_at, is_read_only } =
    show(dashboard);
  return {
    id,
    title,
    description: description ?? null,
    layout_type,
    url,
    author_handle,
    created_at,
    modified_at,
    is_read_only,
  };
}

function iso(seconds: number): string {
  return new Date(seconds * 1_000).toISOString();
}
