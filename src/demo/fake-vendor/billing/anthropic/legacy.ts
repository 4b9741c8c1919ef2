import { type BillingAnswer, type BillingRequest, listIn, readCursor, writeCursor } from "../desk.ts";
import { type AnthropicBooks, DAY_MS, timesOf, wrong } from "./books.ts";

/** The reports before the analytics, in buckets. */
export function legacyReport(costs: boolean, { query }: BillingRequest, books: AnthropicBooks): BillingAnswer {
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
