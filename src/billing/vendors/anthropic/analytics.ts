import type Anthropic from "@anthropic-ai/sdk";
import { nanoOfCents } from "../../../core/money.ts";
import type { BillRow } from "../../reconcile/bill.ts";
import {
  type BillWindow,
  DAY_MS,
  dayOf,
  listOf,
  type Page,
  pageOf,
  type ReadRows,
  readRows,
  type VendorAccount,
} from "../vendor.ts";
import { LEGACY_COSTS, LEGACY_USAGE } from "./legacy.ts";

type Client = Anthropic;
type CostItem = Anthropic.Beta.Organization.Analytics.BetaAnalyticsCostItem;
type UsageItem = Anthropic.Beta.Organization.Analytics.BetaAnalyticsUsageItem;

export const COSTS = "analytics cost 1d";
export const USAGE = "analytics usage 1d";
const FIRST = Date.UTC(2026, 0, 1);
const YEAR_MS = 365 * DAY_MS;
/** The longest range that a request may have. */
const DAYS = 31;
/** Rows per page; pages of costs may be larger, because token types do not count. */
const ROWS = 1_000;
/** At most five, besides cost and token type. Without tier and context window, batches could not be told apart. */
const GROUP = ["api_key_id", "workspace_id", "model", "service_tier", "context_window"] as const;
const COST_GROUP = [...GROUP, "cost_type", "token_type"] as const;

const earliest = (now: number): number => Math.max(FIRST, now - YEAR_MS);

/** Anthropic's analytics of cost and usage: flat rows instead of buckets, newest first unless asked otherwise. */
export function analytics(client: Client): Pick<VendorAccount, "reports" | "query" | "read"> {
  return {
    reports: () => [
      { name: COSTS, days: DAYS, earliest, supersedes: [LEGACY_COSTS] },
      { name: USAGE, days: DAYS, earliest, supersedes: [LEGACY_USAGE] },
    ],
    query: (window) => ({ ...rangeOf(window), group_by: window.report === COSTS ? COST_GROUP : GROUP }),
    async read(window, cursor): Promise<Page> {
      const query = { ...rangeOf(window), ...(cursor !== undefined && { page: cursor }) };
      const { cost, usage } = client.beta.organization.analytics;
      return window.report === COSTS
        ? readPage(await cost.list({ ...query, group_by: [...COST_GROUP] }), costRow)
        : readPage(await usage.list({ ...query, group_by: [...GROUP] }), usageRow);
    },
  };
}

function rangeOf({ from, until }: BillWindow) {
  return {
    starting_at: new Date(from).toISOString(),
    // Whole seconds: an end that is later than the vendor's clock is refused.
    ending_at: new Date(Math.floor(until / 1_000) * 1_000).toISOString(),
    time_bucket_width: "1d" as const,
    limit: ROWS,
    order_by: "time" as const,
    order: "asc" as const,
  };
}

function readPage<T>(
  page: { readonly data: readonly T[]; readonly has_more: boolean; readonly next_page: string | null },
  rowOf: (item: T) => BillRow,
): Page {
  const read: ReadRows = { rows: [], unread: [] };
  readRows(read, listOf(page.data, "data"), rowOf);
  return pageOf(read, { next: page.has_more ? (page.next_page ?? undefined) : undefined });
}

function dimsOf(group: object, names: readonly string[]): BillRow["dims"] {
  const values = group as Readonly<Record<string, unknown>>;
  return Object.fromEntries(names.map((name) => [name, String(values[name] ?? "")]));
}

function costRow({ starting_at, group, cost }: CostItem): BillRow {
  if (cost.currency.toUpperCase() !== "USD")
    throw new TypeError(`Anthropic bills in ${cost.currency}: spendfuse adds up US dollars only`);
  return {
    report: COSTS,
    start: dayOf(Date.parse(starting_at)),
    dims: dimsOf(group, COST_GROUP),
    nano: nanoOfCents(cost.amount),
    listNano: nanoOfCents(cost.list_amount),
  };
}

function usageRow({ starting_at, group, usage }: UsageItem): BillRow {
  return {
    report: USAGE,
    start: dayOf(Date.parse(starting_at)),
    dims: dimsOf(group, GROUP),
    counts: {
      uncached_input_tokens: usage.uncached_input_tokens,
      cache_read_input_tokens: usage.cache_read_input_tokens,
      ephemeral_5m_input_tokens: usage.cache_creation?.ephemeral_5m_input_tokens ?? 0,
      ephemeral_1h_input_tokens: usage.cache_creation?.ephemeral_1h_input_tokens ?? 0,
      output_tokens: usage.output_tokens,
      web_search_requests: usage.server_tool_use?.web_search_requests ?? 0,
      ...(typeof usage.requests === "number" && { requests: usage.requests }),
    },
  };
}

/** The endpoint is not for this key or organization, or the beta is over. */
export function isRejected(error: unknown): boolean {
  const { status, message = "" } = (error ?? {}) as { readonly status?: number; readonly message?: string };
  return status === 403 || status === 404 || (status === 400 && /beta|anthropic-version/i.test(message));
}
