import type { RowView } from "../view.ts";
import { createChart } from "./charts.ts";
import { h } from "./dom.ts";
import { formatValue } from "./format.ts";
import type { WidgetView } from "./widgets/widget.ts";

/** A part of a whole, with its own parts. */
interface Branch {
  readonly name: string;
  readonly value: number;
  readonly children?: readonly Branch[];
}

/** Rows grouped by several tags as a tree, the first tag outermost. */
function toBranches(rows: readonly RowView[], depth = 0): readonly Branch[] {
  const groups = new Map<string, RowView[]>();
  for (const row of rows) {
    const name = row.group[depth];
    if (name === undefined || (row.values[0] ?? 0) <= 0) continue;
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups].map(([name, inner]) => {
    const value = inner.reduce((sum, { values }) => sum + (values[0] ?? 0), 0);
    const deeper = (inner[0]?.group.length ?? 0) > depth + 1;
    return deeper ? { name, value, children: toBranches(inner, depth + 1) } : { name, value };
  });
}

/** Parts that the text instead of the chart names. */
const SAID = 10;

/** A widget that shows parts of a whole as one series of a chart. */
export function viewHierarchy(body: HTMLElement, seriesOf: () => Readonly<Record<string, unknown>>): WidgetView {
  const place = h("div", { class: "chart", role: "img", "aria-label": "chart" });
  body.replaceChildren(place);
  const chart = createChart(place);
  return {
    draw({ definition, answers }) {
      const format = definition.requests?.[0]?.formulas?.[0]?.number_format;
      const rows = answers[0]?.rows ?? [];
      const parts = rows
        .slice(0, SAID)
        .map(({ group, values }) => `${group.join(" ")} ${formatValue(values[0], format)}`);
      place.setAttribute("aria-label", rows.length === 0 ? "no data" : parts.join(", "));
      chart.draw({
        tooltip: { trigger: "item", valueFormatter: (value: number) => formatValue(value, format) },
        series: [{ ...seriesOf(), data: toBranches(answers[0]?.rows ?? []) }],
      });
    },
    dispose: () => chart.dispose(),
  };
}
