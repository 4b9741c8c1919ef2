import { requestsOf, widgetsOf } from "../widgets.ts";
import type { Lint } from "./lint.ts";

const SMALL = new Set(["a", "an", "and", "as", "at", "by", "for", "in", "is", "of", "on", "or", "the", "to", "with"]);
const MONEY = /spendfuse\.(cost|billed\.month|billed\.cost|metered\.|ungoverned_cost)|custom\.cost/;

/** A dashboard that people find their way in. */
export const titlesAndGroups: Lint = {
  name: "titles-and-groups",
  rule: "titles, groups and units follow Datadog's style",
  kinds: ["dashboard"],
  style: true,
  *check({ json }) {
    const title = String(json.title ?? "");
    if (title.includes("-")) yield { path: "title", message: "has a hyphen" };
    if (!/spendfuse/i.test(title)) yield { path: "title", message: "does not name spendfuse" };
    const widgets = widgetsOf(json);
    const groups = widgets.filter(({ definition }) => definition.type === "group");
    for (const name of ["About", "Overview"])
      if (!groups.some(({ definition }) => String(definition.title).startsWith(name)))
        yield { path: "widgets", message: `a group ${name} is missing` };
    for (const widget of widgets) {
      const { definition, path, group, layout } = widget;
      const own = String(definition.title ?? "");
      if (definition.type === "group") {
        const low = own.split(/\s+/).find((word) => /^[a-z]/.test(word) && !SMALL.has(word));
        if (low !== undefined) yield { path: `${path}.title`, message: `a group's title is in Title Case: ${low}` };
        continue;
      }
      if (group === undefined) yield { path, message: "is in no group" };
      if (definition.type === "timeseries" && Number(layout?.width ?? 12) < 4)
        yield { path, message: "a timeseries is at least 4 columns wide" };
      if (definition.type === "query_value" && definition.timeseries_background === undefined)
        yield { path, message: "a query value has a timeseries_background" };
      for (const { queries, formulas } of requestsOf(widget)) {
        const money = queries.length > 0 && queries.every(({ query }) => MONEY.test(query));
        for (const { formula, part, path: place } of formulas)
          if (money && !formula.includes("/") && unitOf(part) !== "dollar")
            yield {
              path: place,
              message: 'money has no unit: number_format.unit is { "type": "canonical_unit", "unit_name": "dollar" }',
            };
      }
    }
  },
};

function unitOf(formula: Readonly<Record<string, unknown>>): unknown {
  return (formula.number_format as { unit?: { unit_name?: unknown } } | undefined)?.unit?.unit_name;
}
