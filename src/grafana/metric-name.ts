import { METRICS, type MetricName } from "../core/names.ts";
import { Untranslated } from "./untranslated.ts";

const BY_NAME: ReadonlyMap<string, MetricName> = new Map(Object.values(METRICS).map((one) => [one.name, one]));
const UNIT_WORDS: Readonly<Record<string, string>> = { s: "seconds", ms: "milliseconds", By: "bytes", "1": "ratio" };

/** Tags that come from a resource: Prometheus makes `job` of the service, and promotes the others where it is configured to. */
const RESOURCE_LABELS: Readonly<Record<string, string>> = {
  service: "job",
  env: "deployment_environment_name",
  version: "service_version",
};

/** One of our metrics, by its name in Datadog. @throws Untranslated for metrics of others, whose type and unit are unknown */
export function metricOf(name: string): MetricName {
  const metric = BY_NAME.get(name);
  if (metric === undefined)
    throw new Untranslated(`${name} is not a metric of spendfuse: its name in Prometheus is unknown`);
  return metric;
}

/** The name that the Collector's Prometheus exporter and Prometheus's OTLP endpoint give a metric: its unit is in it. */
export function prometheusName({ name, unit, kind }: MetricName): string {
  const words = name.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  const unitWord = unit.startsWith("{") || (unit === "1" && kind !== "gauge") ? "" : (UNIT_WORDS[unit] ?? unit);
  if (unitWord !== "" && !words.includes(unitWord)) words.push(unitWord);
  if (kind === "counter") words.push("total");
  return words.join("_");
}

/** The label that a tag becomes. */
export function labelOf(tag: string): string {
  return RESOURCE_LABELS[tag] ?? tag.replace(/[^A-Za-z0-9_]/g, "_").replace(/^(?=\d)/, "_");
}
