import { type BillingAnswer, type BillingApi, type BillingRequest, listIn, readCursor, writeCursor } from "./desk.ts";

/** A cost of a day and all its dimensions. */
export interface AnthropicCost {
  /** `2026-11-01`. */
  readonly day: string;
  readonly api_key_id: string | null;
  readonly workspace_id: string | null;
  readonly model: string | null;
  readonly service_tier: string | null;
  readonly context_window: string | null;
  readonly cost_type: "tokens" | "web_search" | "code_execution" | "session_usage";
  readonly token_type: string | null;
  /** Cents, as decimal texts. */
  readonly amount: string;
  readonly list_amount: string;
}

export interface AnthropicUsage {
  readonly day: string;
  readonly api_key_id: string | null;
  readonly workspace_id: string | null;
  readonly model: string | null;
  readonly service_tier: string | null;
  readonly context_window: string | null;
  readonly uncached_input_tokens: number;
  readonly cache_read_input_tokens: number;
  readonly cache_creation: {
    readonly ephemeral_5m_input_tokens: number;
    readonly ephemeral_1h_input_tokens: number;
  };
  readonly output_tokens: number;
  readonly requests: number | null;
  readonly web_searches: number;
}

export interface AnthropicBooks {
  readonly now: () => number;
  readonly adminKey: string;
  readonly costs: () => readonly AnthropicCost[];
  readonly usages: () => readonly AnthropicUsage[];
  /** Which reports there are; the older alone, or both. */
  readonly reports?: "analytics" | "legacy";
  readonly workspaces?: readonly { readonly id: string; readonly name: string }[];
  readonly keys?: readonly { readonly id: string; readonly name: string; readonly workspace: string }[];
  readonly limits?: readonly object[];
}

const DAY_MS = 86_400_000;
const BETA = "analytics-usage-cost-2026-08-24";
const DIMS = ["api_key_id", "workspace_id", "model", "service_tier", "context_window"];
const FAN_OUT = ["cost_type", "token_type"];
const KNOWN = [...DIMS, ...FAN_OUT, "inference_geo", "speed", "product"];

/** The organization's part of Anthropic's API. */
export function anthropicBilling(books: AnthropicBooks): BillingApi {
  return (request) => {
    const path = /^\/v1\/organizations\/(.+)$/.exec(request.path)?.[1];
    if (path === undefined) return undefined;
    const key = request.headers["x-api-key"];
    if (key === undefined || !key.startsWith("sk-ant-"))
      return failure(401, "authentication_error", "invalid x-api-key");
    if (key !== books.adminKey) return failure(403, "permission_error", "This endpoint requires an Admin API key.");
    if (request.headers["anthropic-version"] === undefined)
      return failure(400, "invalid_request_error", "anthropic-version: header is required");
    const analytics = /^analytics\/(cost|usage)$/.exec(path)?.[1];
    if (analytics !== undefined) {
      if (books.reports === "legacy") return failure(404, "not_found_error", "Not found");
      if (!request.headers["anthropic-beta"]?.split(",").includes(BETA))
        return failure(400, "invalid_request_error", `anthropic-beta: ${BETA} is required`);
      return analyticsReport(analytics === "cost", request, books);
    }
    if (path === "cost_report") return legacyReport(true, request, books);
    if (path === "usage_report/messages") return legacyReport(false, request, books);
    return account(path, books);
  };
}

function failure(status: number, type: string, message: string): BillingAnswer {
  return { status, body: { type: "error", error: { type, message }, request_id: "req_demo" } };
}

const wrong = (message: string): BillingAnswer => failure(400, "invalid_request_error", message);

function analyticsReport(costs: boolean, { query }: BillingRequest, books: AnthropicBooks): BillingAnswer {
  const now = books.now();
  const start = Date.parse(query.get("starting_at") ?? "");
  const width = query.get("time_bucket_width");
  const end = Date.parse(query.get("ending_at") ?? "");
  const limit = Number(query.get("limit") ?? 20);
  const groups = listIn(query, "group_by");
  if (Number.isNaN(start)) return wrong("starting_at: Field required");
  if (start < Date.UTC(2026, 0, 1)) return wrong("starting_at: must not be before 2026-01-01T00:00:00Z");
  if (start < now - 365 * DAY_MS) return wrong("starting_at: must be within the last 365 days");
  if (width !== null && Number.isNaN(end)) return wrong("ending_at: required with time_bucket_width");
  if (end > now) return wrong("ending_at: must not be in the future");
  if (end - start > 31 * DAY_MS) return wrong("ending_at: range may span at most 31 days");
  if (!(limit >= 1 && limit <= 1_000)) return wrong("limit: must be between 1 and 1000");
  const odd = groups.find((group) => !KNOWN.includes(group));
  if (odd !== undefined) return wrong(`group_by: unknown dimension ${odd}`);
  if (groups.filter((group) => !FAN_OUT.includes(group)).length > 5) return wrong("group_by: at most 5 dimensions");
  const at = readCursor(query);
  if (at === undefined) return wrong("cursor does not match current query parameters");
  const until = Number.isNaN(end) ? now : end;
  const rows = costs ? costRows(groups, start, until, books) : usageRows(groups, start, until, books);
  const byTime = query.get("order_by") === "time" && width !== null;
  const sign = query.get("order") === "asc" ? 1 : -1;
  rows.sort((a, b) => sign * (byTime ? a.at - b.at || a.size - b.size : a.size - b.size));
  const page = rows.slice(at, at + limit);
  const more = at + limit < rows.length;
  return {
    status: 200,
    body: {
      data: page.flatMap(({ items }) => items),
      has_more: more,
      next_page: more ? writeCursor(query, at + limit) : null,
      data_refreshed_at: new Date(now).toISOString(),
    },
  };
}

/** What counts as one row of a page: its cost types and token types come on top. */
interface Counted {
  readonly at: number;
  size: number;
  items: object[];
}

function groupOf(row: object, groups: readonly string[]): Record<string, unknown> {
  const values = row as Readonly<Record<string, unknown>>;
  return Object.fromEntries(KNOWN.map((name) => [name, groups.includes(name) ? (values[name] ?? null) : null]));
}

function timesOf(day: string): { readonly starting_at: string; readonly ending_at: string; readonly at: number } {
  const at = Date.parse(`${day}T00:00:00Z`);
  return { starting_at: `${day}T00:00:00Z`, ending_at: new Date(at + DAY_MS).toISOString(), at };
}

function costRows(groups: readonly string[], start: number, end: number, books: AnthropicBooks): Counted[] {
  const rows = new Map<string, Counted>();
  const items = new Map<string, { group: object; amount: bigint; list: bigint; day: string; row: Counted }>();
  for (const cost of books.costs()) {
    const { at } = timesOf(cost.day);
    if (at + DAY_MS <= start || at >= end) continue;
    const group = groupOf(cost, groups);
    const outer = JSON.stringify([
      cost.day,
      groupOf(
        cost,
        groups.filter((name) => !FAN_OUT.includes(name)),
      ),
    ]);
    const row = rows.get(outer) ?? { at, size: 0, items: [] };
    rows.set(outer, row);
    const id = JSON.stringify([cost.day, group]);
    const item = items.get(id) ?? { group, amount: 0n, list: 0n, day: cost.day, row };
    items.set(id, item);
    item.amount += microCents(cost.amount);
    item.list += microCents(cost.list_amount);
    row.size += Number(cost.amount);
  }
  for (const { group, amount, list, day, row } of items.values()) {
    const { starting_at, ending_at } = timesOf(day);
    const requests = FAN_OUT.some((name) => groups.includes(name)) ? null : 1;
    const cost = { amount: centText(amount), list_amount: centText(list), currency: "USD", requests };
    row.items.push({ starting_at, ending_at, group, cost });
  }
  return [...rows.values()];
}

function microCents(text: string): bigint {
  const [whole = "0", fraction = ""] = text.split(".");
  const size = BigInt(whole.replace("-", "") + fraction.padEnd(7, "0").slice(0, 7));
  return text.startsWith("-") ? -size : size;
}

function centText(amount: bigint): string {
  const size = (amount < 0n ? -amount : amount).toString().padStart(8, "0");
  return `${amount < 0n ? "-" : ""}${size.slice(0, -7)}.${size.slice(-7)}`;
}

function usageRows(groups: readonly string[], start: number, end: number, books: AnthropicBooks): Counted[] {
  const rows = new Map<string, Counted & { sums: number[]; group: object; day: string }>();
  for (const usage of books.usages()) {
    const { at } = timesOf(usage.day);
    if (at + DAY_MS <= start || at >= end) continue;
    const group = groupOf(usage, groups);
    const id = JSON.stringify([usage.day, group]);
    const row = rows.get(id) ?? { at, size: 0, items: [], sums: [0, 0, 0, 0, 0, 0, 0], group, day: usage.day };
    rows.set(id, row);
    for (const [index, value] of sumsOf(usage).entries()) row.sums[index] = (row.sums[index] ?? 0) + value;
    row.size += usage.output_tokens;
  }
  for (const row of rows.values()) {
    const { starting_at, ending_at } = timesOf(row.day);
    row.items.push({ starting_at, ending_at, group: row.group, usage: usageBody(row.sums) });
  }
  return [...rows.values()];
}

function sumsOf(usage: AnthropicUsage): readonly number[] {
  const { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: long } = usage.cache_creation;
  const { uncached_input_tokens: input, cache_read_input_tokens: read, output_tokens: output } = usage;
  return [input, read, short, long, output, usage.requests ?? 0, usage.web_searches];
}

function usageBody([input = 0, read = 0, short = 0, long = 0, output = 0, requests = 0, searches = 0]: number[]) {
  return {
    uncached_input_tokens: input,
    cache_read_input_tokens: read,
    cache_creation: { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: long },
    output_tokens: output,
    total_tokens: input + read + short + long + output,
    requests,
    server_tool_use: { web_search_requests: searches },
  };
}

function legacyReport(costs: boolean, { query }: BillingRequest, books: AnthropicBooks): BillingAnswer {
  const start = Date.parse(query.get("starting_at") ?? "");
  const now = books.now();
  const end = Date.parse(query.get("ending_at") ?? new Date(now).toISOString());
  const limit = Number(query.get("limit") ?? 7);
  const groups = listIn(query, "group_by");
  if (Number.isNaN(start)) return wrong("starting_at: Field required");
  if (limit > 31) return wrong("limit: must be at most 31");
  if (end > now) return wrong("ending_at: must not be in the future");
  if (costs && end - start < DAY_MS) return wrong("the range contains no complete bucket");
  const at = readCursor(query);
  if (at === undefined) return wrong("cursor does not match current query parameters");
  const data: object[] = [];
  let day = start + at * DAY_MS;
  for (; day < end && data.length < limit; day += DAY_MS) {
    const date = new Date(day).toISOString().slice(0, 10);
    const { starting_at, ending_at } = timesOf(date);
    data.push({ starting_at, ending_at, results: costs ? oldCosts(date, groups, books) : oldUsages(date, books) });
  }
  const more = day < end;
  return {
    status: 200,
    body: { data, has_more: more, next_page: more ? writeCursor(query, at + data.length) : null },
  };
}

/** Without `description` among the groups the other dimensions are null. Priority Tier is not in it at all. */
function oldCosts(date: string, groups: readonly string[], books: AnthropicBooks): readonly object[] {
  return books
    .costs()
    .filter(({ day, service_tier }) => day === date && service_tier !== "priority")
    .map(({ amount, workspace_id, cost_type, token_type, model, service_tier, context_window }) => {
      const described = groups.includes("description");
      const description = [model ?? cost_type, "Usage", token_type ?? ""].join(" - ");
      return {
        amount,
        currency: "USD",
        workspace_id: groups.includes("workspace_id") ? workspace_id : null,
        ...(described
          ? { description, cost_type, token_type, model, service_tier, context_window }
          : { description: null, cost_type: null, token_type: null, model: null, service_tier: null }),
      };
    });
}

function oldUsages(date: string, books: AnthropicBooks): readonly object[] {
  return books
    .usages()
    .filter(({ day }) => day === date)
    .map(({ day: _day, requests: _requests, web_searches, ...usage }) => ({
      ...usage,
      server_tool_use: { web_search_requests: web_searches },
    }));
}

function account(path: string, { workspaces = [], keys = [], limits = [] }: AnthropicBooks): BillingAnswer | undefined {
  const list = (data: readonly object[]): BillingAnswer => ({
    status: 200,
    body: { data, has_more: false, first_id: null, last_id: null, next_page: null },
  });
  if (path === "me") return { status: 200, body: { id: "org_demo", type: "organization", name: "Demo" } };
  if (path === "workspaces") return list(workspaces.map((one) => ({ type: "workspace", archived_at: null, ...one })));
  if (path === "api_keys")
    return list(
      keys.map(({ id, name, workspace }) => ({
        id,
        name,
        type: "api_key",
        status: "active",
        partial_key_hint: "sk-ant-api03-***",
        scope: { type: "workspace", workspace_id: workspace },
      })),
    );
  return path === "spend_limits" ? list(limits) : undefined;
}
