import type Anthropic from "@anthropic-ai/sdk";
import { minuteOf } from "../../../core/late/minute.ts";
import { countIn, type LateReports, listOf, type VendorMinute, type VendorName } from "../vendor.ts";
import { isRejected } from "./analytics.ts";

type Item = Anthropic.Beta.Organization.Analytics.BetaAnalyticsUsageItem;

const ROWS = 1_000;
const MAX_PAGES = 100;

/**
 * The analytics of usage by the minute. The older reports have minutes too, but count no requests: without those a call
 * cannot be told from one of another program with the same key.
 */
export function openLate(client: Anthropic, names: (client: Anthropic) => Promise<readonly VendorName[]>): LateReports {
  return {
    names: () => names(client),
    async minutes(from, until) {
      try {
        return await readMinutes(client, from, until);
      } catch (error) {
        if (isRejected(error)) return undefined;
        throw error;
      }
    },
  };
}

async function readMinutes(client: Anthropic, from: number, until: number): Promise<readonly VendorMinute[]> {
  const query = {
    starting_at: new Date(from).toISOString(),
    ending_at: new Date(until).toISOString(),
    time_bucket_width: "1m" as const,
    limit: ROWS,
    order_by: "time" as const,
    order: "asc" as const,
    group_by: ["api_key_id" as const, "model" as const, "service_tier" as const],
  };
  const rows: VendorMinute[] = [];
  let page: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const answer = await client.beta.organization.analytics.usage.list({
      ...query,
      ...(page !== undefined && { page }),
    });
    for (const item of listOf(answer.data, "data")) if (!isBatch(item)) rows.push(minuteIn(item));
    const next = answer.has_more ? (answer.next_page ?? undefined) : undefined;
    if (next === undefined) return rows;
    if (next === page) throw new TypeError("the same page came again");
    page = next;
  }
  throw new RangeError(`there are more than ${MAX_PAGES} pages`);
}

function isBatch({ group }: Item): boolean {
  return group.service_tier === "batch";
}

function minuteIn({ starting_at, group, usage }: Item): VendorMinute {
  const start = Date.parse(starting_at);
  if (Number.isNaN(start)) throw new TypeError("a row has no time");
  if (typeof usage.requests !== "number") throw new TypeError("a row counts no requests");
  const within5m = countIn(usage.cache_creation?.ephemeral_5m_input_tokens, "ephemeral_5m_input_tokens");
  const cacheWrite1h = countIn(usage.cache_creation?.ephemeral_1h_input_tokens, "ephemeral_1h_input_tokens");
  return {
    minute: minuteOf(start),
    key: group.api_key_id ?? "",
    model: group.model ?? "",
    tier: group.service_tier ?? "",
    requests: countIn(usage.requests, "requests"),
    inputUncached: countIn(usage.uncached_input_tokens, "uncached_input_tokens"),
    cacheRead: countIn(usage.cache_read_input_tokens, "cache_read_input_tokens"),
    cacheWrite: within5m + cacheWrite1h,
    cacheWrite1h,
    output: countIn(usage.output_tokens, "output_tokens"),
    webSearches: countIn(usage.server_tool_use?.web_search_requests, "web_search_requests"),
  };
}
