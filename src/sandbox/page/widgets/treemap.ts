import { colour, createChart } from "../charts.ts";
import { h } from "../dom.ts";
import { formatValue } from "../format.ts";
import { toBranches } from "../hierarchy.ts";
import type { WidgetType } from "./widget.ts";

/** Parts of a whole as areas. */
export const treemap: WidgetType = {
  name: "treemap",
  create(body) {
    const place = h("div", { class: "chart" });
    body.replaceChildren(place);
    const chart = createChart(place);
    return {
      draw({ definition, answers }) {
        const format = definition.requests?.[0]?.formulas?.[0]?.number_format;
        chart.draw({
          tooltip: { trigger: "item", valueFormatter: (value: number) => formatValue(value, format) },
          series: [
            {
              type: "treemap",
              roam: false,
              nodeClick: false,
              breadcrumb: { show: false },
              left: 0,
              right: 0,
              top: 0,
              bottom: 0,
              data: toBranches(answers[0]?.rows ?? []),
              itemStyle: { borderColor: colour("--panel"), gapWidth: 2 },
              label: { fontSize: 12 },
              upperLabel: { show: true, height: 20, fontSize: 11 },
            },
          ],
        });
      },
      dispose: () => chart.dispose(),
    };
  },
};
