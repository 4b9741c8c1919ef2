import { type Chart, colour, createChart } from "../charts.ts";
import { h } from "../dom.ts";
import { formatValue, toneOf } from "../format.ts";
import type { WidgetType } from "./widget.ts";

/** One figure, with what led to it behind it. */
export const queryValue: WidgetType = {
  name: "query_value",
  create(body) {
    const figure = h("strong", {});
    const place = h("div", { class: "chart", "aria-hidden": "true" });
    const box = h("div", { class: "value" }, place, figure);
    body.replaceChildren(box);
    let chart: Chart | undefined;
    return {
      draw({ definition, answers }) {
        const [request] = definition.requests ?? [];
        const [formula] = request?.formulas ?? [];
        const value = answers[0]?.rows[0]?.values[0];
        figure.textContent = formatValue(value, formula?.number_format);
        const tone = toneOf(value, request?.conditional_formats);
        box.className = tone === undefined ? "value" : `value tone-${tone}`;
        const line = answers[1]?.series[0]?.values;
        if (line === undefined) return;
        // Nothing counted is zero; between two points of a gauge is its value.
        const counts = JSON.stringify(request?.queries ?? []).includes(".as_count()");
        chart ??= createChart(place);
        chart.draw({
          tooltip: { show: false },
          grid: { left: 0, right: 0, top: 0, bottom: 0 },
          xAxis: { type: "category", show: false, boundaryGap: false },
          yAxis: { type: "value", show: false, min: 0 },
          series: [
            {
              type: "line",
              data: counts ? line.map((one) => one ?? 0) : line,
              connectNulls: true,
              showSymbol: false,
              silent: true,
              lineStyle: { width: 1, color: colour(tone === undefined ? "--accent" : `--${tone}`) },
              areaStyle: { opacity: 0.25, color: colour(tone === undefined ? "--accent" : `--${tone}`) },
            },
          ],
        });
      },
      dispose: () => chart?.dispose(),
    };
  },
};
