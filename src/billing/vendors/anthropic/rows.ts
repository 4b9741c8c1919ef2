import type { BillRow, Charge, ChargeType, VendorUsage } from "../../reconcile/bill.ts";
import { LEGACY_COSTS } from "./legacy.ts";

const TYPES: Readonly<Record<string, ChargeType>> = {
  uncached_input_tokens: "input_uncached",
  cache_read_input_tokens: "cache_read",
  "cache_creation.ephemeral_5m_input_tokens": "cache_write",
  "cache_creation.ephemeral_1h_input_tokens": "cache_write",
  output_tokens: "output",
};

/** A row of either report of costs. The older one has no keys, and only the tiers standard and batch. */
export function chargeOf({ report, start, dims, nano, listNano }: BillRow): Charge | undefined {
  if (nano === undefined) return undefined;
  const type = typeOf(dims);
  return {
    day: start,
    project: dims.workspace_id ?? "",
    key: report === LEGACY_COSTS ? undefined : dims.api_key_id,
    model: dims.model ?? "",
    tier: type === "other" || type === "web_search" ? undefined : dims.service_tier,
    type,
    nano,
    listNano,
  };
}

function typeOf({ cost_type = "", token_type = "" }: BillRow["dims"]): ChargeType {
  if (cost_type === "web_search") return "web_search";
  if (cost_type !== "tokens" && cost_type !== "") return "other";
  return TYPES[token_type] ?? (token_type === "" ? "tokens" : "other");
}

export function usageOf({ start, dims, counts, nano }: BillRow): VendorUsage | undefined {
  if (nano !== undefined || counts === undefined) return undefined;
  return {
    day: start,
    project: dims.workspace_id ?? "",
    key: dims.api_key_id,
    model: dims.model ?? "",
    tier: dims.service_tier,
    counts: {
      input_uncached: counts.uncached_input_tokens ?? 0,
      cache_read: counts.cache_read_input_tokens ?? 0,
      cache_write: (counts.ephemeral_5m_input_tokens ?? 0) + (counts.ephemeral_1h_input_tokens ?? 0),
      output: counts.output_tokens ?? 0,
      web_search: counts.web_search_requests ?? 0,
    },
    requests: counts.requests,
  };
}
