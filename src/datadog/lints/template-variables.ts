import { GEN_AI_METRICS, METRICS } from "../../core/names.ts";
import { CLOUD_COST } from "../custom-costs.ts";
import { metricsOf, parseExpression } from "../query/expression.ts";
import { leavesOf } from "../query/filter.ts";
import { requestsOf, widgetsOf } from "../widgets.ts";
import type { Lint } from "./lint.ts";

interface Variable {
  readonly name?: string;
  readonly prefix?: string;
}

const TAGS_OF = new Map<string, readonly string[]>(
  [...Object.values(METRICS), ...Object.values(GEN_AI_METRICS), CLOUD_COST].map(({ name, attributes }) => [
    name,
    attributes,
  ]),
);

/** Every variable in use is declared, and every query uses those whose tag its metric has. */
export const templateVariables: Lint = {
  name: "template-variables",
  rule: "template variables are declared, and used wherever the metric has their tag",
  kinds: ["dashboard"],
  *check({ json }) {
    const declared = (Array.isArray(json.template_variables) ? json.template_variables : []) as readonly Variable[];
    const used = new Set<string>();
    for (const widget of widgetsOf(json)) {
      for (const { queries } of requestsOf(widget)) {
        for (const { query, path } of queries) {
          for (const { metric, filter } of metricsIn(query)) {
            const own = leavesOf(filter).flatMap((leaf) => (leaf.type === "variable" ? [leaf.name] : []));
            for (const name of own) {
              used.add(name);
              if (!declared.some((variable) => variable.name === name))
                yield { path: `${path}.query`, message: `$${name} is not declared in template_variables`, style: true };
            }
            for (const { name = "", prefix = "" } of declared)
              if (TAGS_OF.get(metric)?.includes(prefix) && !own.includes(name))
                yield {
                  path: `${path}.query`,
                  message: `${metric} has the tag ${prefix}: add $${name} to its filter`,
                  style: true,
                };
          }
        }
      }
    }
    for (const [index, { name = "" }] of declared.entries())
      if (!used.has(name))
        yield { path: `template_variables[${index}]`, message: `$${name} is used by no query`, style: true };
  },
};

function metricsIn(query: string): ReturnType<typeof metricsOf> {
  try {
    return metricsOf(parseExpression(query));
  } catch {
    return [];
  }
}
