import { BarChart, LineChart, SunburstChart, TreemapChart } from "echarts/charts";
import { GridComponent, LegendComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { type EChartsType, init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([
  BarChart,
  LineChart,
  SunburstChart,
  TreemapChart,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TooltipComponent,
  CanvasRenderer,
]);

const LIGHT = [
  "#5b3cc4",
  "#0b7fab",
  "#2e8b57",
  "#c2701c",
  "#b83280",
  "#6b7a1f",
  "#3d5a99",
  "#a03c3c",
  "#4a8f8f",
  "#8a6fd1",
];
const DARK = [
  "#a995f5",
  "#58b8de",
  "#6fcf97",
  "#eda95a",
  "#ec7fb8",
  "#c3cf6a",
  "#8ba6e6",
  "#ef8f8f",
  "#7fd0cf",
  "#cbb9ff",
];

/** A chart that is made once and drawn again and again. */
export interface Chart {
  draw(option: Readonly<Record<string, unknown>>): void;
  dispose(): void;
}

export function isDark(): boolean {
  return document.documentElement.dataset.theme === "dark";
}

export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function createChart(element: HTMLElement): Chart {
  let chart: EChartsType | undefined;
  const watch = new ResizeObserver(() => chart?.resize());
  watch.observe(element);
  return {
    draw(option) {
      chart ??= init(element);
      const text = colour("--text");
      const base = {
        animation: false,
        color: isDark() ? DARK : LIGHT,
        textStyle: { color: text, fontFamily: "system-ui, sans-serif" },
        tooltip: {
          confine: true,
          backgroundColor: colour("--panel"),
          borderColor: colour("--line"),
          textStyle: { color: text, fontSize: 12 },
        },
      };
      chart.setOption(
        { ...base, ...option, tooltip: { ...base.tooltip, ...(option.tooltip as object) } },
        { notMerge: true },
      );
    },
    dispose() {
      watch.disconnect();
      chart?.dispose();
    },
  };
}
