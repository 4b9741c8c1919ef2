import { CLOUD_COST } from "../../datadog/custom-costs.ts";
import { createSeriesStore, type SeriesStore } from "../series/series.ts";
import type { CustomCostFile } from "./custom-costs.ts";

/** Custom costs as the metric that Cloud Cost Management makes of them: a point a line, at the start of its day. */
export function costSeries(files: readonly CustomCostFile[], now: () => number): SeriesStore {
  const sums = new Map<string, { readonly tags: readonly string[]; readonly at: number; usd: number }>();
  for (const { lines } of files) {
    for (const line of lines) {
      const at = Date.parse(line.ChargePeriodStart) / 1_000;
      const own = Object.entries(line.Tags ?? {}).map(([key, value]) => `${key}:${value}`);
      const tags = [`providername:${line.ProviderName}`, ...own];
      const key = JSON.stringify([at, tags]);
      const sum = sums.get(key) ?? { tags, at, usd: 0 };
      sums.set(key, sum);
      sum.usd += line.BilledCost;
    }
  }
  const store = createSeriesStore({ now, isHistorical: () => true });
  // The last point of a second would win, so that equal lines are added up first.
  for (const { tags, at, usd } of sums.values())
    store.write(CLOUD_COST.name, "count", JSON.stringify(tags), () => tags, at, usd);
  return store;
}
