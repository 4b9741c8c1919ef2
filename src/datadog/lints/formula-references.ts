import { parseExpression, partsOf } from "../query/expression.ts";
import { requestsOf, widgetsOf } from "../widgets.ts";
import type { Lint } from "./lint.ts";

/** Formulas reference existing queries, and every query is referenced. */
export const formulaReferences: Lint = {
  name: "formula-references",
  rule: "formulas name queries that there are, and have an alias",
  kinds: ["dashboard"],
  *check({ json }) {
    for (const widget of widgetsOf(json)) {
      for (const { queries, formulas, path } of requestsOf(widget)) {
        const names = queries.map(({ name }) => name);
        const twice = names.find((name, index) => names.indexOf(name) < index);
        if (twice !== undefined) yield { path, message: `two queries are named ${twice}` };
        const named = new Set<string>();
        for (const { formula, alias, path: own } of formulas) {
          for (const name of namesIn(formula)) {
            named.add(name);
            if (!names.includes(name)) yield { path: `${own}.formula`, message: `there is no query named ${name}` };
          }
          if (typeof alias !== "string" || alias === "")
            yield { path: own, message: "has no alias: people would read the formula", style: true };
        }
        if (queries.length > 0 && formulas.length === 0)
          yield { path, message: "has queries and no formula", style: true };
        for (const { name, path: own } of queries)
          if (formulas.length > 0 && !named.has(name))
            yield { path: own, message: `no formula uses the query ${name}`, style: true };
      }
    }
  },
};

function namesIn(formula: string): readonly string[] {
  try {
    return partsOf(parseExpression(formula)).flatMap((part) => (part.kind === "name" ? [part.name] : []));
  } catch {
    return [];
  }
}
