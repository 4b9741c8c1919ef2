import type OpenAI from "openai";
import { minuteOf } from "../../../core/late/minute.ts";
import { countIn, type LateReports, listOf, type VendorMinute } from "../vendor.ts";
import { namesOf } from "./names.ts";
import type { UsagePage } from "./sources.ts";

/** Buckets per page: a day of minutes. */
const BUCKETS = 1_440;
const MAX_PAGES = 100;

/** The usage of completions by the minute. Batches are left out: their calls are not metered one by one. */
export function openLate({ admin: { organization } }: OpenAI): LateReports {
  return {
    names: () => namesOf(organization),
    async minutes(from, until) {
      const query = {
        start_time: from / 1_000,
        end_time: until / 1_000,
        bucket_width: "1m" as const,
        limit: BUCKETS,
        group_by: ["api_key_id" as const, "model" as const, "service_tier" as const, "batch" as const],
      };
      const rows: VendorMinute[] = [];
      let page: string | undefined;
      for (let pages = 0; pages < MAX_PAGES; pages++) {
        const answer: UsagePage = await organization.usage.completions({
          ...query,
          ...(page !== undefined && { page }),
        });
        for (const { start_time, results } of listOf(answer.data, "data"))
          for (const result of listOf(results, "results")) rows.push(...minuteIn(start_time * 1_000, result));
        const next = answer.has_more ? (answer.next_page ?? undefined) : undefined;
        if (next === undefined) return rows;
        if (next === page) throw new TypeError("the same page came again");
        page = next;
      }
      throw new RangeError(`there are more than ${MAX_PAGES} pages`);
    },
  };
}

function minuteIn(start: number, result: object): readonly VendorMinute[] {
  const { batch, api_key_id, model, service_tier, ...counts } = result as Readonly<Record<string, unknown>>;
  if (batch === true || batch === "true") return [];
  const count = (name: string): number => countIn(counts[name], name);
  const cacheRead = count("input_cached_tokens");
  const cacheWrite = count("input_cache_write_tokens");
  const inputUncached = count("input_tokens") - cacheRead - cacheWrite;
  return [
    {
      minute: minuteOf(start),
      key: String(api_key_id ?? ""),
      model: String(model ?? ""),
      tier: String(service_tier ?? ""),
      requests: count("num_model_requests"),
      inputUncached: countIn(inputUncached, "input_tokens"),
      cacheRead,
      cacheWrite,
      cacheWrite1h: 0,
      output: count("output_tokens"),
    },
  ];
}
