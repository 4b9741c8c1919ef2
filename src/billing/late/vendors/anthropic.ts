import { type Json, object } from "../../../core/json.ts";
import { minuteOf } from "../../../core/late/minute.ts";
import { faultOf } from "../../ask.ts";
import { openJsonApi } from "../json-api.ts";
import { countIn, type LateVendor, type VendorMinute } from "./late-vendor.ts";

const VERSION = "2023-06-01";
const BETA = "analytics-usage-cost-2026-08-24";
const ROWS = 1_000;

/**
 * The analytics of usage by the minute. The older reports have minutes too, but count no requests: without those a call
 * cannot be told from one of another program with the same key.
 */
export const anthropic: LateVendor = {
  name: "anthropic",
  title: "Anthropic",
  providers: ["anthropic"],
  variables: ["ANTHROPIC_ADMIN_KEY"],
  needs: "an Admin key (sk-ant-admin01-…) of the organization; a workspace's key is not enough",
  urlVariable: "SPENDFUSE_ANTHROPIC_URL",
  open(options) {
    const headers = { "x-api-key": options.key, "anthropic-version": VERSION };
    const plain = openJsonApi(options, "https://api.anthropic.com", headers);
    const beta = openJsonApi(options, "https://api.anthropic.com", { ...headers, "anthropic-beta": BETA });
    return {
      async names() {
        const after = (_: Json, last: Json | undefined) => ({ after_id: String(last?.id) });
        const keys = await plain.list("/v1/organizations/api_keys", { limit: 100 }, after);
        return keys.map(({ id, name }) => ({ kind: "key", id: String(id), name: String(name ?? id) }) as const);
      },
      async minutes(from, until) {
        const query = {
          starting_at: new Date(from).toISOString(),
          ending_at: new Date(until).toISOString(),
          time_bucket_width: "1m",
          limit: ROWS,
          order_by: "time",
          order: "asc",
          group_by: ["api_key_id", "model", "service_tier"],
        };
        const path = "/v1/organizations/analytics/usage";
        try {
          if ((await beta.get(path, { ...query, limit: 1 })) === undefined) return undefined;
          const items = await beta.list(path, query, ({ next_page }) => ({ page: String(next_page) }));
          return items.flatMap(minuteIn);
        } catch (error) {
          // The beta is not for this organization, or over.
          if (isRefused(error)) return undefined;
          throw error;
        }
      },
    };
  },
};

function isRefused(error: unknown): boolean {
  const { status, message = "" } = faultOf(error) ?? {};
  return status === 403 || (status === 400 && /beta|anthropic-version/i.test(message));
}

function minuteIn(item: Json): readonly VendorMinute[] {
  const { api_key_id, model, service_tier } = object(item.group) ?? {};
  if (service_tier === "batch") return [];
  const start = Date.parse(String(item.starting_at));
  const usage = object(item.usage);
  if (Number.isNaN(start) || usage === undefined) throw new TypeError("a row has no time or no usage");
  if (typeof usage.requests !== "number") throw new TypeError("a row counts no requests");
  const written = object(usage.cache_creation) ?? {};
  const cacheWrite1h = countIn(written.ephemeral_1h_input_tokens, "ephemeral_1h_input_tokens");
  return [
    {
      minute: minuteOf(start),
      key: String(api_key_id ?? ""),
      model: String(model ?? ""),
      tier: String(service_tier ?? ""),
      requests: countIn(usage.requests, "requests"),
      inputUncached: countIn(usage.uncached_input_tokens, "uncached_input_tokens"),
      cacheRead: countIn(usage.cache_read_input_tokens, "cache_read_input_tokens"),
      cacheWrite: countIn(written.ephemeral_5m_input_tokens, "ephemeral_5m_input_tokens") + cacheWrite1h,
      cacheWrite1h,
      output: countIn(usage.output_tokens, "output_tokens"),
      webSearches: countIn(object(usage.server_tool_use)?.web_search_requests, "web_search_requests"),
    },
  ];
}
