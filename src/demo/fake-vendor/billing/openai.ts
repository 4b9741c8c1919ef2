import { type BillingAnswer, type BillingApi, type BillingRequest, listIn, readCursor, writeCursor } from "./desk.ts";

/** A cost of a day, as OpenAI's API can say it. */
export interface OpenAiCost {
  /** Unix seconds, the start of a UTC day. */
  readonly day: number;
  readonly project_id: string | null;
  readonly api_key_id: string | null;
  readonly line_item: string;
  /** Dollars, as a number; some have seen texts. */
  readonly value: number | string;
  readonly quantity?: number | null;
  readonly quantity_unit?: string | null;
}

export interface OpenAiUsage {
  /** Unix seconds, the start of a UTC day; of a minute where it is asked for by the minute. */
  readonly day: number;
  readonly report: "completions" | "decisions" | "embeddings" | "web_search_calls";
  readonly project_id: string | null;
  readonly api_key_id: string | null;
  readonly model: string | null;
  readonly batch?: boolean;
  readonly service_tier?: string | null;
  /** `input_tokens`, `num_model_requests` and so on. */
  readonly counts: Readonly<Record<string, number>>;
}

export interface OpenAiBooks {
  /** The vendor's clock, in milliseconds since the epoch. */
  readonly now: () => number;
  readonly adminKey: string;
  readonly costs: () => readonly OpenAiCost[];
  readonly usages: () => readonly OpenAiUsage[];
  /** The same by the minute. */
  readonly minutes?: () => readonly OpenAiUsage[];
  readonly projects?: readonly { readonly id: string; readonly name: string }[];
  readonly keys?: readonly { readonly id: string; readonly name: string; readonly project: string }[];
  /** Cents a month. */
  readonly limit?: number;
  readonly alerts?: readonly number[];
  readonly projectLimits?: Readonly<Record<string, number>>;
  /** Costs by key are refused for windows before it. Unix seconds. */
  readonly keysSince?: number;
}

const DAY = 86_400;
const MINUTE = 60;
const MAX_MINUTES = 1_440;
const KEYS_SINCE = 1_764_979_200;
const MAX_BUCKETS: Readonly<Record<string, number>> = { costs: 180 };
const OBJECTS: Readonly<Record<string, string>> = {
  costs: "costs",
  completions: "usage.completions",
  decisions: "usage.decisions",
  embeddings: "usage.embeddings",
  web_search_calls: "usage.web_searches",
};
const COST_GROUPS = ["project_id", "user_id", "line_item", "api_key_id", "api_source"];
const USAGE_GROUPS = [
  ...["project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source", "context_level"],
];

/** The organization's part of OpenAI's API: costs, usage, names and limits. */
export function openaiBilling(books: OpenAiBooks): BillingApi {
  return (request) => {
    const path = /^\/v1\/organization\/(.+)$/.exec(request.path)?.[1];
    if (path === undefined) return undefined;
    const key = request.headers.authorization?.replace(/^Bearer /, "");
    if (key !== books.adminKey) return refuseKey(key);
    const usage = /^usage\/(\w+)$/.exec(path)?.[1];
    if (path === "costs") return report("costs", request, books);
    if (usage !== undefined) return usage in OBJECTS ? report(usage, request, books) : undefined;
    return account(path, books);
  };
}

function refuseKey(key: string | undefined): BillingAnswer {
  if (key?.startsWith("sk-proj-"))
    return failure(403, "You have insufficient permissions for this operation. Missing scopes: api.usage.read.");
  return failure(401, "Incorrect API key provided.", "invalid_api_key");
}

function failure(status: number, message: string, code: string | null = null): BillingAnswer {
  const type = status === 400 ? "invalid_request_error" : "invalid_request_error";
  return { status, body: { error: { message, type, param: null, code } } };
}

function report(name: string, { query }: BillingRequest, books: OpenAiBooks): BillingAnswer {
  const start = Number(query.get("start_time"));
  const now = Math.floor(books.now() / 1_000);
  const end = Number(query.get("end_time") ?? now);
  const limit = Number(query.get("limit") ?? 7);
  const byMinute = query.get("bucket_width") === "1m" && name !== "costs";
  const width = byMinute ? MINUTE : DAY;
  const most = byMinute ? MAX_MINUTES : (MAX_BUCKETS[name] ?? 31);
  const groups = listIn(query, "group_by");
  const since = books.keysSince ?? KEYS_SINCE;
  if (!(start > 0)) return failure(400, "start_time is required.");
  if (!byMinute && query.get("bucket_width") !== null && query.get("bucket_width") !== "1d")
    return failure(400, "Only 1d is supported here.");
  if (limit > most) return failure(400, `Limit must be less than or equal to ${most}`);
  if (end > now) return failure(400, "end_time must not be in the future.");
  if (end <= start) return failure(400, "end_time must be greater than start_time.");
  const known = name === "costs" ? COST_GROUPS : USAGE_GROUPS;
  const odd = groups.find((group) => !known.includes(group));
  if (odd !== undefined) return failure(400, `Invalid value: '${odd}' for group_by.`);
  if (name === "costs" && groups.includes("api_key_id") && start < since)
    return failure(400, `Grouping costs by api_key_id is only supported for start_time on or after ${since}.`);
  const at = readCursor(query);
  if (at === undefined) return failure(400, "The page cursor does not match the query.");
  const first = start - (start % width) + at * width;
  const usages = byMinute ? (books.minutes?.() ?? []) : books.usages();
  const data: object[] = [];
  let day = first;
  for (; day < end && data.length < limit; day += width)
    data.push({
      object: "bucket",
      start_time: Math.max(day, start),
      end_time: Math.min(day + width, end),
      results: name === "costs" ? costsOf(day, groups, books) : usageOf(name, day, groups, usages),
    });
  const more = day < end;
  return {
    status: 200,
    body: { object: "page", data, has_more: more, next_page: more ? writeCursor(query, at + data.length) : null },
  };
}

function costsOf(day: number, groups: readonly string[], books: OpenAiBooks): readonly object[] {
  const sums = new Map<string, { dims: Record<string, unknown>; rows: OpenAiCost[] }>();
  for (const row of books.costs()) {
    if (row.day !== day) continue;
    const { dims, key } = dimsOf(row, groups, COST_GROUPS);
    const sum = sums.get(key) ?? { dims, rows: [] };
    sums.set(key, sum);
    sum.rows.push(row);
  }
  return [...sums.values()].map(({ dims, rows }) => {
    const [only] = rows;
    const value = rows.length === 1 ? only?.value : rows.reduce((sum, row) => sum + Number(row.value), 0);
    const quantity = rows.every((row) => row.quantity != null)
      ? rows.reduce((sum, row) => sum + Number(row.quantity), 0)
      : null;
    return {
      object: "organization.costs.result",
      amount: { value, currency: "usd" },
      ...dims,
      ...(groups.includes("line_item") && { quantity, quantity_unit: only?.quantity_unit ?? null }),
    };
  });
}

function usageOf(
  name: string,
  day: number,
  groups: readonly string[],
  usages: readonly OpenAiUsage[],
): readonly object[] {
  const sums = new Map<string, { dims: Record<string, unknown>; counts: Record<string, number> }>();
  for (const row of usages) {
    if (row.day !== day || row.report !== name) continue;
    const { dims, key } = dimsOf(row, groups, USAGE_GROUPS);
    const sum = sums.get(key) ?? { dims, counts: {} };
    sums.set(key, sum);
    for (const [count, value] of Object.entries(row.counts)) sum.counts[count] = (sum.counts[count] ?? 0) + value;
  }
  const object = `organization.${OBJECTS[name]}.result`;
  return [...sums.values()].map(({ dims, counts }) => ({ object, ...counts, ...dims }));
}

/** Dimensions that were not asked for are null. */
function dimsOf(
  row: object,
  groups: readonly string[],
  all: readonly string[],
): { readonly dims: Record<string, unknown>; readonly key: string } {
  const values = row as Readonly<Record<string, unknown>>;
  const dims = Object.fromEntries(all.map((name) => [name, groups.includes(name) ? (values[name] ?? null) : null]));
  return { dims, key: JSON.stringify(dims) };
}

function account(path: string, { projects = [], keys = [], limit, alerts = [], projectLimits = {} }: OpenAiBooks) {
  const list = (data: readonly object[]): BillingAnswer => ({
    status: 200,
    body: { object: "list", data, first_id: null, last_id: null, has_more: false },
  });
  const cap = (object: string, cents: number): BillingAnswer => ({
    status: 200,
    body: { object, threshold_amount: cents, currency: "USD", interval: "month", enforcement: { status: "enforcing" } },
  });
  const channel = { type: "email", recipients: ["finance@example.com"] };
  if (path === "projects")
    return list(projects.map((one) => ({ object: "organization.project", created_at: 0, status: "active", ...one })));
  if (path === "spend_limit")
    return limit === undefined ? failure(404, "No spend limit.") : cap("organization.spend_limit", limit);
  if (path === "spend_alerts")
    return list(
      alerts.map((cents, index) => ({
        object: "organization.spend_alert",
        id: `alert_${index}`,
        threshold_amount: cents,
        currency: "USD",
        interval: "month",
        notification_channel: channel,
      })),
    );
  const [, project = "", rest] = /^projects\/([^/]+)\/(\w+)$/.exec(path) ?? [];
  if (rest === "api_keys")
    return list(
      keys
        .filter((key) => key.project === project)
        .map(({ id, name }) => ({ object: "organization.project.api_key", id, name, redacted_value: "sk-proj-***" })),
    );
  if (rest === "spend_alerts") return list([]);
  if (rest === "spend_limit") {
    const cents = projectLimits[project];
    return cents === undefined ? failure(404, "No spend limit.") : cap("project.spend_limit", cents);
  }
  return undefined;
}
