import { colour, createChart } from "../charts.ts";
import { h } from "../dom.ts";
import { formatValue } from "../format.ts";
import { toBranches } from "../hierarchy.ts";
import type { WidgetType } from "./widget.ts";

/** Parts of a whole in rings. */
export const sunburst: WidgetType = {
  name: "sunburst",
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
              type: "sunburst",
              radius: ["18%", "96%"],
              data: toBranches(answers[0]?.rows ?? []),
              itemStyle: { borderColor: colour("--panel"), borderWidth: 1 },
              label: { minAngle: 16, fontSize: 11, overflow: "truncate", width: 56, rotate: "radial" },
              emphasis: { focus: "ancestor" },
            },
          ],
        });
      },
      dispose: () => chart.dispose(),
    };
  },
};
