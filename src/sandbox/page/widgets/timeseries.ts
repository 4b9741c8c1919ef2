import type { EventView, SeriesView } from "../../view.ts";
import { colour, createChart } from "../charts.ts";
import { formatTime, formatValue } from "../format.ts";
import { type Definition, type Drawing, nameOf, type WidgetType } from "./widget.ts";

interface Line {
  readonly name: string;
  readonly type: "line" | "bar";
}

/** Values over time, as lines, areas or bars. */
export const timeseries: WidgetType = {
  name: "timeseries",
  create(body) {
    const place = document.createElement("div");
    place.className = "chart";
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", "chart");
    body.replaceChildren(place);
    const chart = createChart(place);
    return {
      draw(drawing) {
        place.setAttribute("aria-label", textOf(drawing));
        chart.draw(optionOf(drawing));
      },
      dispose: () => chart.dispose(),
    };
  },
};

/** What the chart says, for those who do not see it: each line's last value. */
function textOf({ definition, answers, events }: Drawing): string {
  const format = definition.requests?.[0]?.formulas?.[0]?.number_format;
  const lines = answers.flatMap(({ series }) => series);
  const said = lines
    .slice(0, SAID)
    .map(({ label, group, values }) => `${nameOf(group, label)} ${formatValue(values.at(-1), format)}`);
  const titles = events.slice(0, SAID).map(({ title }) => title);
  const happened = titles.length === 0 ? "" : `; events: ${titles.join(", ")}`;
  return lines.length === 0 ? `no data${happened}` : `over time; last: ${said.join(", ")}${happened}`;
}

const SAID = 10;

function optionOf({ definition, answers, events, from, to }: Drawing): Readonly<Record<string, unknown>> {
  const requests = definition.requests ?? [];
  const format = requests[0]?.formulas?.[0]?.number_format;
  const hasBars = requests.some(({ display_type: type }) => type === "bars");
  const series = answers.flatMap(({ series: lines, times, interval }, index) =>
    lines.map((line) => toLine(line, times, interval, requests[index]?.display_type ?? "line", index, hasBars)),
  );
  const soft = colour("--soft");
  const axis = { axisLine: { lineStyle: { color: colour("--line") } }, axisLabel: { color: soft, fontSize: 11 } };
  return {
    grid: { left: 8, right: 12, top: 8, bottom: series.length > 1 ? 28 : 8, containLabel: true },
    legend: {
      show: series.length > 1,
      type: "scroll",
      bottom: 0,
      itemHeight: 8,
      itemWidth: 12,
      textStyle: { color: soft, fontSize: 11 },
    },
    tooltip: {
      trigger: "axis",
      valueFormatter: (value: number | null) => formatValue(value, format),
      axisPointer: { label: { formatter: ({ value }: { value: number }) => formatTime(value / 1_000) } },
    },
    xAxis: {
      type: "time",
      min: from * 1_000,
      max: to * 1_000,
      ...axis,
      axisLabel: { ...axis.axisLabel, hideOverlap: true, formatter: TIMES },
    },
    useUTC: true,
    yAxis: {
      type: "value",
      ...axis,
      splitNumber: 3,
      splitLine: { lineStyle: { color: colour("--line") } },
      axisLabel: { ...axis.axisLabel, formatter: (value: number) => formatValue(value, format) },
    },
    series: withMarkers(series, definition, events),
  };
}

const TIMES = {
  year: "{yyyy}",
  month: "{MMM}",
  day: "{d} {MMM}",
  hour: "{HH}:{mm}",
  minute: "{HH}:{mm}",
  second: "{HH}:{mm}:{ss}",
};

function toLine(
  line: SeriesView,
  times: readonly number[],
  interval: number,
  display: string,
  request: number,
  hasBars: boolean,
): Line & Readonly<Record<string, unknown>> {
  const bars = display === "bars";
  // A bar stands over its interval, and so do the lines beside it.
  const shift = hasBars ? interval / 2 : 0;
  return {
    name: nameOf(line.group, line.label),
    type: bars ? "bar" : "line",
    data: times.map((time, index) => [(time + shift) * 1_000, line.values[index] ?? null]),
    stack: display === "line" ? undefined : `stack ${request}`,
    showSymbol: line.values.filter((value) => value !== null).length < 3,
    symbolSize: 4,
    barMaxWidth: 18,
    lineStyle: { width: 1.5 },
    areaStyle: display === "area" ? { opacity: 0.35 } : undefined,
    emphasis: { focus: "series" },
    connectNulls: !bars,
  };
}

/** Horizontal lines such as `y = 0.8`, and a vertical one for each event. */
function withMarkers(
  series: (Line & Readonly<Record<string, unknown>>)[],
  { markers }: Definition,
  events: readonly EventView[],
): readonly object[] {
  const [first, ...rest] = series;
  const lines = ((markers ?? []) as { value?: string; label?: string; display_type?: string }[]).flatMap(
    ({ value, label, display_type: type }) => {
      const y = Number(/^y = (-?[\d.]+)$/.exec(value ?? "")?.[1]);
      if (Number.isNaN(y)) return [];
      const tone = colour(type?.startsWith("error") ? "--bad" : "--warn");
      return [
        {
          yAxis: y,
          lineStyle: { color: tone, type: "dashed" },
          label: { formatter: label ?? "", color: tone, position: "insideEndTop", fontSize: 10 },
        },
      ];
    },
  );
  const marks = [...lines, ...eventLines(events)];
  if (first === undefined || marks.length === 0) return series;
  return [{ ...first, markLine: { silent: true, symbol: "none", data: marks } }, ...rest];
}

const TONES: Readonly<Record<string, string>> = { error: "--bad", warning: "--warn", success: "--ok" };

/** Events of one moment are one line, in the tone of the first. Only their titles' beginnings fit. */
function eventLines(events: readonly EventView[]): readonly object[] {
  const moments = [...Map.groupBy(events, ({ at }) => at)];
  return moments.map(([at, [first, ...rest]]) => {
    const tone = colour(TONES[first?.type ?? ""] ?? "--accent");
    const [title = ""] = first?.title.split(":") ?? [];
    const text = rest.length === 0 ? title : `${title} +${rest.length}`;
    return {
      xAxis: at * 1_000,
      lineStyle: { color: tone, type: "solid", width: 1, opacity: 0.7 },
      label: { formatter: moments.length > 3 ? "" : text, color: tone, position: "insideEndTop", fontSize: 10 },
    };
  });
}
