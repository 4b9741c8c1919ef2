import { METRICS } from "../../src/core/names.ts";
import { metricsOf } from "../../src/datadog/query/expression.ts";
import { parseMonitorQuery } from "../../src/datadog/query/monitor-query.ts";
import { labelOf, metricOf, prometheusName } from "../../src/grafana/metric-name.ts";
import { type Expected, type Feed, readTime, type Scenario } from "../../src/sandbox/scenario.ts";

/** `zero`: as our cumulative exporter sends series. `first`: as a Collector shows them, without a point of 0. */
export type Birth = "zero" | "first";

export interface ScenarioOptions {
  readonly alert: string;
  readonly by: readonly string[];
  readonly query: string;
  readonly hasWarning: boolean;
  readonly birth: Birth;
  /** Minutes between evaluations. */
  readonly step: number;
}

const DAY = 1_440;
type State = "ok" | "Warn" | "Triggered" | "No Data";

/** A scenario as a test of promtool: its feed as series, and the alerts that fire between the expected transitions. */
export function scenarioTest(scenario: Scenario, options: ScenarioOptions): object {
  const { alert, by } = options;
  const pad = padOf(scenario, options.query);
  const until = minutes(scenario.until);
  const grain = grainOf(options);
  const checks = checkTimes(scenario, options.query, options.step).map((at) => {
    const states = statesAt(scenario.expect, at);
    return {
      expr: `count by (${["alertname", "severity", ...by].join(", ")}) (ALERTS{alertname=~"${alert}(NoData)?", alertstate="firing"})`,
      eval_time: `${pad + at}m`,
      exp_samples: [...states].flatMap(([group, state]) => {
        if (state === "ok" || (state === "Warn" && !options.hasWarning)) return [];
        const name = state === "No Data" ? `${alert}NoData` : alert;
        const labels = [...group.split(",").filter((one) => one !== "*")].map((one) => {
          const [tag = "", ...value] = one.split(":");
          return `${labelOf(tag)}="${value.join(":")}"`;
        });
        const all = [`alertname="${name}"`, ...labels, `severity="${state === "Warn" ? "warning" : "critical"}"`];
        return [{ labels: `{${all.sort().join(", ")}}`, value: 1 }];
      }),
    };
  });
  return {
    name: scenario.name,
    interval: `${grain}m`,
    input_series: seriesOf(scenario, pad, pad + until, options.birth, grain),
    promql_expr_test: checks,
  };
}

/** Minutes between samples: long windows over many of them take promtool minutes. */
function grainOf({ query, step }: ScenarioOptions): number {
  const { window } = parseMonitorQuery(query);
  return window.type === "last" && window.seconds >= DAY * 60 ? step : 1;
}

/** Minutes before the scenario, so that days and months begin where they should: the test begins on January 1st. */
function padOf({ start = "2026-11-02T09:00:00Z" }: Scenario, query: string): number {
  const { window } = parseMonitorQuery(query);
  const at = new Date(start);
  if (window.type === "last") return 10;
  if (window.period !== "month") return DAY + at.getUTCHours() * 60 + at.getUTCMinutes();
  const next = Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1);
  return 31 * DAY - (next - at.getTime()) / 60_000;
}

function minutes(text: string): number {
  return (readTime(text) ?? Number.NaN) / 60;
}

function spanOf({ at }: Expected): readonly [number, number] {
  const [first = "", last = first] = at.split("..");
  return [minutes(first), minutes(last)];
}

/** How far from a transition the state is checked: windows extrapolate, and growing sums are behind by a step. */
function toleranceOf(query: string, step: number): number {
  const { window } = parseMonitorQuery(query);
  if (window.type === "current") return window.period === "month" ? 130 : 8;
  // A gauge keeps its last value for five minutes.
  const isGauge = metricsOf(parseMonitorQuery(query).expression).every((one) => metricOf(one.metric).kind === "gauge");
  return Math.max(isGauge ? 7 : 2, 2 * step, Math.ceil(window.seconds / 60 / 30));
}

/** Minutes around each transition, and some between them. */
function checkTimes(scenario: Scenario, query: string, step: number): readonly number[] {
  const tolerance = toleranceOf(query, step);
  const spans = scenario.expect.filter(({ transition }) => transition !== "Renotify").map(spanOf);
  const until = minutes(scenario.until);
  const wanted = [
    ...spans.flatMap(([first, last]) => [first - tolerance, last + tolerance]),
    ...[0.1, 0.25, 0.5, 0.75, 0.9].map((share) => Math.round(share * until)),
    until,
  ].map((at) => Math.floor(at / step) * step);
  const far = (at: number): boolean =>
    spans.every(([first, last]) => at <= first - tolerance || at >= last + tolerance);
  return [...new Set(wanted)].filter((at) => at > 0 && at <= until && far(at)).sort((a, b) => a - b);
}

function statesAt(expected: readonly Expected[], at: number): ReadonlyMap<string, State> {
  const states = new Map<string, State>();
  for (const one of expected) {
    if (spanOf(one)[1] > at || one.transition === "Renotify") continue;
    states.set(one.group ?? "*", one.transition === "Recovered" ? "ok" : (one.transition as State));
  }
  return states;
}

interface Series {
  readonly counter: boolean;
  readonly points: { readonly at: number; readonly value: number }[];
}

function seriesOf(scenario: Scenario, pad: number, end: number, birth: Birth, grain: number): readonly object[] {
  const all = new Map<string, Series>();
  for (const feed of scenario.feed) {
    const metric = metricOf(feed.metric ?? METRICS.cost.name);
    const labels = Object.entries(feed.tags ?? {}).map(([tag, value]) => `${labelOf(tag)}="${value}"`);
    const name = `${prometheusName(metric)}{${labels.join(", ")}}`;
    const series = all.get(name) ?? { counter: metric.kind === "counter", points: [] };
    series.points.push(...pointsOf(feed, pad));
    all.set(name, series);
  }
  return [...all].map(([series, { counter, points }]) => {
    points.sort((a, b) => a.at - b.at);
    const last = scenario.kind === "job end" ? Math.ceil(points.at(-1)?.at ?? 0) : end;
    const values = counter ? totals(points, last, birth, grain) : latest(points, end);
    return { series, values: compress(values.filter((_, minute) => minute % grain === 0)) };
  });
}

function pointsOf({ from = "0m", until, every = "10s", value, total }: Feed, pad: number): Series["points"] {
  const first = minutes(from);
  const step = minutes(every);
  const count = Math.ceil((minutes(until) - first) / step - 1e-9);
  return Array.from({ length: count }, (_, i) => {
    return { at: pad + first + i * step, value: value ?? (total as number) / count };
  });
}

function totals(points: Series["points"], end: number, birth: Birth, grain: number): readonly (number | undefined)[] {
  let sum = 0;
  let next = 0;
  const first = Math.ceil(points[0]?.at ?? 0);
  return Array.from({ length: end + 1 }, (_, minute) => {
    for (; next < points.length && (points[next]?.at ?? 0) <= minute; next += 1) sum += points[next]?.value ?? 0;
    if (minute < first) return birth === "zero" && minute >= first - grain ? 0 : undefined;
    return Number(sum.toFixed(9));
  });
}

function latest(points: Series["points"], end: number): readonly (number | undefined)[] {
  const values = new Map(points.map(({ at, value }) => [Math.ceil(at), value]));
  return Array.from({ length: end + 1 }, (_, minute) => values.get(minute));
}

/** `1 1 1 2` as `1+0x2 2`. */
function compress(values: readonly (number | undefined)[]): string {
  const runs: { value: number | undefined; count: number }[] = [];
  for (const value of values) {
    const last = runs.at(-1);
    if (last !== undefined && last.value === value) last.count += 1;
    else runs.push({ value, count: 1 });
  }
  return runs
    .map(({ value, count }) =>
      value === undefined ? `_x${count}` : count === 1 ? `${value}` : `${value}+0x${count - 1}`,
    )
    .join(" ");
}
