import type Anthropic from "@anthropic-ai/sdk";
import { nanoOfCents } from "../../../core/money.ts";
import type { BillRow } from "../../reconcile/bill.ts";
import {
  type BillWindow,
  dayOf,
  daysOf,
  listOf,
  type Page,
  pageOf,
  type ReadRows,
  readRows,
  type VendorAccount,
} from "../vendor.ts";

export const LEGACY_COSTS = "cost_report 1d";
export const LEGACY_USAGE = "usage_report 1d";
/** Buckets per page, and the longest window. */
const BUCKETS = 31;
/** The version that these reports are documented with. */
const API_VERSION = "2023-06-01";
const FIRST = Date.UTC(2024, 0, 1);
const COST_DIMS = [
  ...["workspace_id", "description", "cost_type", "model", "token_type", "context_window", "service_tier"],
];
const USAGE_DIMS = ["api_key_id", "workspace_id", "model", "service_tier", "context_window"];

/** The reports before the analytics. The SDK has no methods for them; it only sends requests. Costs have no keys. */
export function legacy(client: Anthropic): Pick<VendorAccount, "reports" | "query" | "read"> {
  return {
    reports: () => [
      // A range without a whole day is answered with 400.
      { name: LEGACY_COSTS, days: BUCKETS, earliest: () => FIRST, completeOnly: true },
      { name: LEGACY_USAGE, days: BUCKETS, earliest: () => FIRST },
    ],
    query: queryOf,
    async read(window, cursor): Promise<Page> {
      const costs = window.report === LEGACY_COSTS;
      const path = costs ? "/v1/organizations/cost_report" : "/v1/organizations/usage_report/messages";
      const query = { ...queryOf(window), ...(cursor !== undefined && { page: cursor }) };
      const page = await client.get<LegacyPage>(path, { query, headers: { "anthropic-version": API_VERSION } });
      const buckets = listOf(page.data, "data");
      const read: ReadRows = { rows: [], unread: [] };
      for (const { starting_at, results } of buckets) {
        const start = dayOf(Date.parse(starting_at));
        readRows(read, listOf(results, "results"), (one) => (costs ? costRow(start, one) : usageRow(start, one)));
      }
      return pageOf(read, {
        next: page.has_more ? (page.next_page ?? undefined) : undefined,
        buckets: daysOf(buckets.map(({ starting_at }) => Date.parse(starting_at))),
      });
    },
  };
}

interface LegacyPage {
  readonly data?: readonly { readonly starting_at: string; readonly results: readonly Result[] }[];
  readonly has_more?: boolean;
  readonly next_page?: string | null;
}

type Result = Readonly<Record<string, unknown>>;

function queryOf({ report, from, until }: BillWindow) {
  return {
    starting_at: new Date(from).toISOString(),
    ending_at: new Date(Math.floor(until / 1_000) * 1_000).toISOString(),
    bucket_width: "1d",
    limit: BUCKETS,
    group_by: report === LEGACY_COSTS ? ["workspace_id", "description"] : USAGE_DIMS,
  };
}

function dimsOf(result: Result, names: readonly string[]): BillRow["dims"] {
  return Object.fromEntries(names.map((name) => [name, String(result[name] ?? "")]));
}

function costRow(start: number, result: Result): BillRow {
  const { amount, currency = "USD" } = result;
  if (String(currency).toUpperCase() !== "USD")
    throw new TypeError(`Anthropic bills in ${currency}: spendfuse adds up US dollars only`);
  return { report: LEGACY_COSTS, start, dims: dimsOf(result, COST_DIMS), nano: nanoOfCents(amount as string) };
}

function usageRow(start: number, result: Result): BillRow {
  const written = (result.cache_creation ?? {}) as Result;
  const tools = (result.server_tool_use ?? {}) as Result;
  const of = (value: unknown): number => (typeof value === "number" ? value : 0);
  return {
    report: LEGACY_USAGE,
    start,
    dims: dimsOf(result, USAGE_DIMS),
    counts: {
      uncached_input_tokens: of(result.uncached_input_tokens),
      cache_read_input_tokens: of(result.cache_read_input_tokens),
      ephemeral_5m_input_tokens: of(written.ephemeral_5m_input_tokens),
      ephemeral_1h_input_tokens: of(written.ephemeral_1h_input_tokens),
      output_tokens: of(result.output_tokens),
      web_search_requests: of(tools.web_search_requests),
    },
  };
}
