import { GEN_AI_METRICS, METRICS, type MetricName } from "../../core/names.ts";
import { CLOUD_COST } from "../custom-costs.ts";
import { queriesOf } from "../queries.ts";
import type { MetricQuery } from "../query/expression.ts";
import { leavesOf } from "../query/filter.ts";
import type { Fault, Lint } from "./lint.ts";

/** Metrics and tags that spendfuse emits. */
export const emittedNames: Lint = {
  name: "emitted-names",
  rule: "metrics and tags are emitted by spendfuse",
  kinds: ["dashboard", "monitor"],
  style: true,
  *check(asset) {
    for (const { metrics, path } of queriesOf(asset)) for (const metric of metrics) yield* checkMetric(metric, path);
    if (asset.kind === "dashboard") {
      const variables = Array.isArray(asset.json.template_variables) ? asset.json.template_variables : [];
      for (const [index, { prefix }] of (variables as { prefix?: string }[]).entries())
        if (prefix && !ALL_TAGS.has(prefix))
          yield { path: `template_variables[${index}].prefix`, message: `no spendfuse metric has the tag ${prefix}` };
      return;
    }
    const by = new Set(queriesOf(asset).flatMap(({ metrics }) => metrics.flatMap((metric) => metric.by)));
    for (const [, tag = ""] of String(asset.json.message ?? "").matchAll(/\{\{[^{}]*?\b([a-z_]+)\.name\b[^{}]*\}\}/g))
      if (!by.has(tag))
        yield { path: "message", message: `{{${tag}.name}} stays empty: the query is not grouped by ${tag}` };
  },
};

const METRIC_OF = new Map<string, MetricName>(
  [...Object.values(METRICS), ...Object.values(GEN_AI_METRICS), CLOUD_COST].map((metric) => [metric.name, metric]),
);
/** Tags that Datadog adds at intake and users filter by. */
const DATADOG_TAGS = ["env", "host", "service", "version"];
const ALL_TAGS = new Set([...[...METRIC_OF.values()].flatMap(({ attributes }) => attributes), ...DATADOG_TAGS]);
/** Suffixes of the metrics that Datadog derives from a histogram. */
const PARTS = /\.(count|sum|min|max|avg)$/;

function* checkMetric({ metric: name, filter, by }: MetricQuery, path: string): Iterable<Fault> {
  const metric = METRIC_OF.get(name) ?? METRIC_OF.get(name.replace(PARTS, ""));
  if (metric === undefined) {
    yield { path, message: `spendfuse does not emit the metric ${name}` };
    return;
  }
  const known = new Set<string>([...metric.attributes, ...DATADOG_TAGS]);
  const filtered = leavesOf(filter).flatMap((leaf) => (leaf.type === "tag" ? [leaf.key] : (leaf.key ?? [])));
  for (const leaf of leavesOf(filter))
    if (leaf.type === "tag" && leaf.value === "")
      yield { path, message: `the tag ${leaf.key} is filtered without a value` };
  for (const tag of [...filtered, ...by])
    if (!known.has(tag)) yield { path, message: `${name} has no tag ${tag}: it has ${metric.attributes.join(", ")}` };
}
