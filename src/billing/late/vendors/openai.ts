import type { Json } from "../../../core/json.ts";
import { minuteOf } from "../../../core/late/minute.ts";
import { listOf, type VendorName } from "../../vendors/vendor.ts";
import { type JsonApi, openJsonApi } from "../json-api.ts";
import { countIn, type LateVendor, type VendorMinute } from "./late-vendor.ts";

/** Buckets per page: a day of minutes. */
const BUCKETS = 1_440;

/** The usage of completions by the minute. Batches are left out: their calls are not metered one by one. */
export const openai: LateVendor = {
  name: "openai",
  title: "OpenAI",
  providers: ["openai"],
  variables: ["OPENAI_ADMIN_KEY"],
  needs: "an admin key (sk-admin-…), which an owner of the organization makes; a project's key is not enough",
  urlVariable: "SPENDFUSE_OPENAI_URL",
  open(options) {
    const organization = options.env.OPENAI_ORG_ID;
    const api = openJsonApi(options, "https://api.openai.com", {
      authorization: `Bearer ${options.key}`,
      ...(organization !== undefined && { "openai-organization": organization }),
    });
    return {
      names: () => readKeys(api),
      async minutes(from, until) {
        const query = {
          start_time: from / 1_000,
          end_time: until / 1_000,
          bucket_width: "1m",
          limit: BUCKETS,
          group_by: ["api_key_id", "model", "service_tier", "batch"],
        };
        const path = "/v1/organization/usage/completions";
        const buckets = await api.list(path, query, ({ next_page }) => ({ page: String(next_page) }));
        return buckets.flatMap(({ start_time, results }) =>
          listOf(results as readonly Json[], "results").flatMap((result) =>
            minuteIn(countIn(start_time, "start_time") * 1_000, result),
          ),
        );
      },
    };
  },
};

async function readKeys(api: JsonApi): Promise<readonly VendorName[]> {
  const after = (_: Json, last: Json | undefined) => ({ after: String(last?.id) });
  const names: VendorName[] = [];
  const projects = await api.list("/v1/organization/projects", { limit: 100, include_archived: "true" }, after);
  for (const { id: project } of projects) {
    const path = `/v1/organization/projects/${encodeURIComponent(String(project))}/api_keys`;
    for (const { id, name } of await api.list(path, { limit: 100 }, after))
      names.push({ kind: "key", id: String(id), name: String(name ?? id) });
  }
  return names;
}

function minuteIn(start: number, { batch, api_key_id, model, service_tier, ...counts }: Json): readonly VendorMinute[] {
  if (batch === true || batch === "true") return [];
  const count = (name: string): number => countIn(counts[name], name);
  const cacheRead = count("input_cached_tokens");
  const cacheWrite = count("input_cache_write_tokens");
  return [
    {
      minute: minuteOf(start),
      key: String(api_key_id ?? ""),
      model: String(model ?? ""),
      tier: String(service_tier ?? ""),
      requests: count("num_model_requests"),
      inputUncached: countIn(count("input_tokens") - cacheRead - cacheWrite, "input_tokens"),
      cacheRead,
      cacheWrite,
      cacheWrite1h: 0,
      output: count("output_tokens"),
    },
  ];
}
