import { analyticsReport } from "./anthropic/analytics.ts";
import { type AnthropicBooks, failure } from "./anthropic/books.ts";
import { legacyReport } from "./anthropic/legacy.ts";
import type { BillingAnswer, BillingApi } from "./desk.ts";

export type { AnthropicBooks, AnthropicCost, AnthropicUsage } from "./anthropic/books.ts";

const BETA = "analytics-usage-cost-2026-08-24";
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
