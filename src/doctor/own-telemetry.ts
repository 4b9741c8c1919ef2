import { type Facts, usedOf } from "./facts.ts";
import { INSTRUMENTATIONS } from "./tables/instrumentations.ts";

/** Whether the app has an OpenTelemetry of its own that exports metrics: then ours stays off. */
export function exportsMetrics(facts: Facts): boolean {
  const rows = INSTRUMENTATIONS.filter((row) => row.exportsMetrics);
  return rows.some((row) => usedOf(facts, row.package).length > 0);
}
