import { type BillingAnswer, type BillingRequest, listIn, readCursor, writeCursor } from "../desk.ts";
import { type AnthropicBooks, type AnthropicUsage, DAY_MS, MINUTE_MS, timesOf, wrong } from "./books.ts";

const DIMS = ["api_key_id", "workspace_id", "model", "service_tier", "context_window"];
const FAN_OUT = ["cost_type", "token_type"];
const KNOWN = [...DIMS, ...FAN_OUT, "inference_geo", "speed", "product"];

/** Flat rows, the largest first unless asked otherwise. */
export function analyticsReport(costs: boolean, { query }: BillingRequest, books: AnthropicBooks): BillingAnswer {
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
  if (width === "1m" && end - start > DAY_MS) return wrong("ending_at: range may span at most 24 hours");
  if (end - start > 31 * DAY_MS) return wrong("ending_at: range may span at most 31 days");
  if (!(limit >= 1 && limit <= 1_000)) return wrong("limit: must be between 1 and 1000");
  const odd = groups.find((group) => !KNOWN.includes(group));
  if (odd !== undefined) return wrong(`group_by: unknown dimension ${odd}`);
  if (groups.filter((group) => !FAN_OUT.includes(group)).length > 5) return wrong("group_by: at most 5 dimensions");
  const at = readCursor(query);
  if (at === undefined) return wrong("cursor does not match current query parameters");
  const until = Number.isNaN(end) ? now : end;
  const rows = costs ? costRows(groups, start, until, books) : usageRows(groups, start, until, width, books);
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

function usageRows(
  groups: readonly string[],
  start: number,
  end: number,
  width: string | null,
  books: AnthropicBooks,
): Counted[] {
  const byMinute = width === "1m";
  const rows = new Map<string, Counted & { sums: number[]; group: object; day: string }>();
  for (const usage of byMinute ? (books.minutes?.() ?? []) : books.usages()) {
    const { at } = timesOf(usage.day);
    if (at + (byMinute ? MINUTE_MS : DAY_MS) <= start || at >= end) continue;
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
