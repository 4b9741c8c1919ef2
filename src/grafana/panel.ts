import { METRICS } from "../core/names.ts";
import { metricsOf } from "../datadog/query/expression.ts";
import type { Part } from "../datadog/widgets.ts";
import { formulaOf, type PanelRequest, readRequest } from "./panel-query.ts";
import { Untranslated } from "./untranslated.ts";

/** Where a panel is, in Grafana's grid of 24 columns. */
export interface GridPosition {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export type Leave = (part: string, why: string) => void;

export const DATASOURCE = { type: "prometheus", uid: "$datasource" } as const;

const TYPES: Readonly<Record<string, string>> = {
  timeseries: "timeseries",
  query_value: "stat",
  toplist: "bargauge",
  query_table: "table",
  sunburst: "piechart",
  treemap: "piechart",
};
const UNITS: Readonly<Record<string, string>> = { dollar: "currencyUSD", fraction: "percentunit", second: "s" };
/** Metrics whose points lie in the past, where Prometheus takes none. */
const HISTORICAL: ReadonlySet<string> = new Set([METRICS.billedCost.name]);

/** A widget as a panel; undefined when nothing of it can be translated. Parts that are left out are told. */
export function panelOf(definition: Part, id: number, gridPos: GridPosition, leave: Leave): Part | undefined {
  const title = String(definition.title ?? definition.type);
  const tell = (why: string): void => leave(title, why);
  const base = { id, gridPos, title: String(definition.title ?? "") };
  if (definition.type === "note") {
    const options = { mode: "markdown", content: noteText(String(definition.content ?? "")) };
    return { ...base, type: "text", transparent: true, options };
  }
  if (definition.type === "manage_status") return alertList(base);
  const type = TYPES[String(definition.type)];
  if (type === undefined) {
    tell(`Grafana has no panel such as ${definition.type}`);
    return undefined;
  }
  if (definition.events !== undefined) tell("events of Datadog are not drawn over it");
  const targets = targetsOf(definition, type, tell);
  if (targets.length === 0) return undefined;
  const formulas = targets.map(({ formula }) => formula);
  return {
    ...base,
    type,
    datasource: DATASOURCE,
    ...timeOf(definition.time as Part | undefined, tell),
    ...(type === "timeseries" && { interval: targets[0]?.interval ?? "2m" }),
    targets: targets.map(({ target }) => target),
    fieldConfig: { defaults: fieldDefaults(type, definition, formulas), overrides: overridesOf(type, targets) },
    options: optionsOf(type),
    ...(type === "table" && { transformations: tableOf(targets) }),
  };
}

function alertList(base: Part): Part {
  const stateFilter = { firing: true, pending: true, error: true, noData: true, normal: false, recovering: true };
  const options = {
    viewMode: "list",
    groupMode: "default",
    maxItems: 50,
    sortOrder: 3,
    alertName: "Spendfuse",
    stateFilter,
  };
  return { ...base, type: "alertlist", options };
}

function noteText(content: string): string {
  return content.replaceAll("Datadog's monitors", "Alerts").replace(/\bmonitor(?=s?\b)/g, "alert");
}

interface Target {
  readonly target: Part;
  readonly formula: Part;
  readonly name: string;
  readonly interval: string | undefined;
}

function targetsOf(definition: Part, type: string, tell: (why: string) => void): readonly Target[] {
  const targets: Target[] = [];
  for (const request of (definition.requests ?? []) as readonly Part[]) {
    const read = attempt(() => readRequest(request), tell);
    for (const formula of read === undefined ? [] : ((request.formulas ?? []) as readonly Part[])) {
      const target =
        read && attempt(() => targetOf(formula, read, type, String.fromCharCode(65 + targets.length)), tell);
      if (target !== undefined) targets.push(target);
    }
  }
  return targets;
}

function attempt<T>(make: () => T, tell: (why: string) => void): T | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    tell(error.message);
    return undefined;
  }
}

function targetOf(formula: Part, request: PanelRequest, type: string, refId: string): Target {
  const metrics = [...request.queries.values()].flatMap(({ expression }) => metricsOf(expression));
  const past = metrics.find(({ metric }) => HISTORICAL.has(metric));
  if (past !== undefined)
    throw new Untranslated(`${past.metric} has points in the past, which Prometheus does not take`);
  const { text, by } = formulaOf(String(formula.formula), request);
  const limit = (formula.limit as { readonly count?: number; readonly order?: string } | undefined) ?? {};
  const limited =
    limit.count === undefined ? text : `${limit.order === "asc" ? "bottomk" : "topk"}(${limit.count}, ${text})`;
  const name = String(formula.alias ?? formula.formula);
  const isTable = type === "table";
  const expr = type === "bargauge" ? `sort_desc(${limited})` : limited;
  const legendFormat = by.length === 0 ? name : by.map((label) => `{{${label}}}`).join(" ");
  const mode = request.scalar ? { instant: true, range: false } : { instant: false, range: true };
  const target = {
    refId,
    datasource: DATASOURCE,
    expr,
    legendFormat,
    format: isTable ? "table" : "time_series",
    ...mode,
  };
  return { target, formula, name, interval: /\[1d\]/.test(text) && !request.scalar ? "1d" : undefined };
}

const SPANS: Readonly<Record<string, string>> = { minute: "m", hour: "h", day: "d", week: "w", month: "M" };
const LIVE: Readonly<Record<string, string>> = { month_to_date: "now/M", week_to_date: "now/w", today: "now/d" };

/** A time of the panel's own. */
function timeOf(time: Part | undefined, tell: (why: string) => void): Part {
  if (time === undefined) return {};
  const unit = SPANS[String(time.unit)];
  if (time.type === "live" && unit !== undefined) return { timeFrom: `${time.value}${unit}` };
  const span = String(time.live_span);
  const [, count, letter] = /^(\d+)(m|h|d|w|mo)$/.exec(span) ?? [];
  const from = LIVE[span] ?? (letter === undefined ? undefined : `${count}${letter === "mo" ? "M" : letter}`);
  if (from !== undefined) return { timeFrom: from };
  tell(`the time ${span}`);
  return {};
}

function fieldDefaults(type: string, definition: Part, formulas: readonly Part[]): Part {
  const bars = ((definition.requests ?? []) as readonly Part[]).some((request) => request.display_type === "bars");
  const custom = type === "timeseries" ? { custom: bars ? BARS : { drawStyle: "line", fillOpacity: 10 } } : {};
  const unit = unitOf(formulas[0]);
  return { ...(unit !== undefined && { unit }), ...thresholdsOf(definition, formulas[0]), ...custom };
}

const BARS = { drawStyle: "bars", fillOpacity: 80, stacking: { mode: "normal", group: "A" } };

function unitOf(formula: Part | undefined): string | undefined {
  const format = formula?.number_format as { readonly unit?: { readonly unit_name?: string } } | undefined;
  return UNITS[format?.unit?.unit_name ?? ""];
}

interface Condition {
  readonly comparator: string;
  readonly value: number;
  readonly palette: string;
}

/** Colours by value: from a value on. What is red below a value is not told apart from the rest. */
function thresholdsOf(definition: Part, formula: Part | undefined): Part {
  const own = ((definition.requests ?? []) as readonly Part[])[0]?.conditional_formats;
  const conditions = (formula?.conditional_formats ?? own ?? []) as readonly Condition[];
  if (conditions.length === 0) return {};
  const isAbove = ({ comparator }: Condition): boolean => comparator.startsWith(">");
  const below = conditions.find((one) => !isAbove(one));
  const steps = conditions.filter(isAbove).sort((a, b) => a.value - b.value);
  const color = (palette: string): string =>
    /red/.test(palette) ? "red" : /yellow/.test(palette) ? "yellow" : "green";
  const first = { color: below === undefined ? "text" : color(below.palette), value: null };
  const rest = steps.map(({ comparator, value, palette }) => {
    // A step begins at its value, and "more than 0" does not.
    return { color: color(palette), value: comparator === ">" && value === 0 ? Number.MIN_VALUE : value };
  });
  return { color: { mode: "thresholds" }, thresholds: { mode: "absolute", steps: [first, ...rest] } };
}

function overridesOf(type: string, targets: readonly Target[]): readonly Part[] {
  if (type !== "table") return [];
  return targets.flatMap(({ formula, name }) => {
    const unit = unitOf(formula);
    const matcher = { id: "byName", options: name };
    return unit === undefined ? [] : [{ matcher, properties: [{ id: "unit", value: unit }] }];
  });
}

/** One row a group, with the formulas as columns. */
function tableOf(targets: readonly Target[]): readonly Part[] {
  const single = targets.length === 1;
  const names = targets.map(({ target, name }) => [single ? "Value" : `Value #${target.refId}`, name]);
  const organize = { excludeByName: { Time: true }, indexByName: {}, renameByName: Object.fromEntries(names) };
  return [
    { id: "merge", options: {} },
    { id: "organize", options: organize },
  ];
}

function optionsOf(type: string): Part {
  const reduceOptions = { calcs: ["lastNotNull"], fields: "", values: false };
  switch (type) {
    case "stat":
      return { reduceOptions, colorMode: "background", graphMode: "none", textMode: "auto" };
    case "bargauge":
      return { reduceOptions, displayMode: "basic", orientation: "horizontal", valueMode: "text" };
    case "piechart":
      return {
        reduceOptions,
        pieType: "donut",
        legend: { displayMode: "table", placement: "right", values: ["value"] },
      };
    case "timeseries":
      return { legend: { displayMode: "table", placement: "bottom", calcs: ["sum", "lastNotNull"], showLegend: true } };
    default:
      return { showHeader: true, cellHeight: "sm" };
  }
}
