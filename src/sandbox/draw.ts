import { type Expression, metricsOf, parseExpression } from "../datadog/query/expression.ts";
import { leavesOf } from "../datadog/query/filter.ts";
import { evaluate } from "./query/evaluate.ts";
import type { Evaluation } from "./query/evaluation.ts";
import { type Frame, mapFrame, type Row, type Span, stepsOf, Unsupported } from "./query/frame.ts";
import { MEASURES, rollupOf } from "./query/functions.ts";
import type { SeriesStore } from "./series/series.ts";
import type { DrawAnswer, DrawOrder, RowView, SeriesView } from "./view.ts";

interface Query {
  readonly data_source?: string;
  readonly name: string;
  readonly query: string;
  readonly aggregator?: string;
}

interface Formula {
  readonly formula: string;
  readonly alias?: string;
  readonly limit?: { readonly count?: number; readonly order?: "asc" | "desc" };
}

interface Request {
  readonly response_format?: string;
  readonly queries?: readonly Query[];
  readonly formulas?: readonly Formula[];
  readonly sort?: {
    readonly count?: number;
    readonly order_by?: readonly { readonly type: string; readonly index?: number; readonly order: "asc" | "desc" }[];
  };
}

const INTERVALS = [10, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 86_400];
const MAX_ROWS = 1_000;

/**
 * What a widget shows. Never throws: what cannot be drawn is named in `fault`.
 * @param costs The series of Cloud Cost Management.
 */
export function draw(
  { request, from, to, variables, points }: DrawOrder,
  metrics: SeriesStore,
  costs?: () => SeriesStore,
): DrawAnswer {
  try {
    const parsed = parseRequest(request as Request, metrics, costs);
    const keys = keysOf(parsed.queries);
    const variable = (name: string): { key: string; value: string } | undefined => {
      const value = variables[name];
      return value === undefined ? undefined : { key: keys.get(name) ?? name, value };
    };
    const evaluation = { store: metrics, onDashboard: true, span: spanOf(parsed, from, to, points), variable };
    return parsed.format === "timeseries" ? drawLines(parsed, evaluation) : drawRows(parsed, evaluation);
  } catch (error) {
    return { times: [], interval: 0, series: [], rows: [], fault: (error as Error).message };
  }
}

interface ParsedQuery {
  readonly expression: Expression;
  readonly aggregator: string | undefined;
  readonly store: SeriesStore;
}

interface Parsed {
  readonly format: string;
  readonly queries: ReadonlyMap<string, ParsedQuery>;
  readonly formulas: readonly {
    readonly expression: Expression;
    readonly label: string;
    readonly limit: Formula["limit"];
  }[];
  readonly sort: Request["sort"];
}

function parseRequest(
  { response_format: format = "timeseries", queries = [], formulas, sort }: Request,
  metrics: SeriesStore,
  costs: (() => SeriesStore) | undefined,
): Parsed {
  const storeOf = (source: string): SeriesStore => {
    if (source === "metrics") return metrics;
    if (source === "cloud_cost" && costs !== undefined) return costs();
    throw new Unsupported(`the data source "${source}"`);
  };
  if (format !== "timeseries" && format !== "scalar") throw new Unsupported(`the response format "${format}"`);
  const read = queries.map(({ name, query, aggregator, data_source: source = "metrics" }) => {
    return [name, { expression: parseExpression(query), aggregator, store: storeOf(source) }] as const;
  });
  const shown = formulas ?? queries.map(({ name }): Formula => ({ formula: name }));
  return {
    format,
    queries: new Map(read),
    formulas: shown.map(({ formula, alias = formula, limit }) => {
      return { expression: parseExpression(formula), label: alias, limit };
    }),
    sort,
  };
}

/** A variable is the tag of its name, unless it has its own key. */
function keysOf(queries: Parsed["queries"]): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  for (const { expression } of queries.values())
    for (const { filter } of metricsOf(expression))
      for (const leaf of leavesOf(filter)) if (leaf.type === "variable" && leaf.key) keys.set(leaf.name, leaf.key);
  return keys;
}

/** Intervals begin at multiples of themselves, so that bars do not wander. */
function spanOf({ queries, format }: Parsed, from: number, to: number, points: number): Span {
  const rollup = Math.max(0, ...[...queries.values()].map(({ expression }) => rollupOf(expression)));
  if (format === "scalar" && rollup === 0) return { from, to, interval: Math.max(1, to - from) };
  const wanted = Math.max(10, (to - from) / Math.max(1, points), rollup);
  const interval = INTERVALS.find((one) => one >= wanted && one >= rollup) ?? Math.ceil(wanted / 86_400) * 86_400;
  return { from: Math.floor(from / interval) * interval, to, interval };
}

function drawLines({ queries, formulas }: Parsed, evaluation: Evaluation): DrawAnswer {
  const { from, interval } = evaluation.span;
  const steps = stepsOf(evaluation.span);
  const named = (name: string, at: Evaluation): Frame => {
    const { expression, store } = queryOf(queries, name);
    return evaluate(expression, { ...at, store });
  };
  const series = formulas.flatMap(({ expression, label, limit }, formula): readonly SeriesView[] => {
    const frame = evaluate(expression, { ...evaluation, named });
    const lines: SeriesView[] = linesOf(frame, steps).map(({ tags, values }) => {
      return { formula, label, group: tags, values: [...values].map(orNull) };
    });
    if (limit?.count === undefined) return lines.slice(0, MAX_ROWS);
    const sign = limit.order === "asc" ? -1 : 1;
    const total = (line: SeriesView): number => line.values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
    return lines.sort((a, b) => sign * (total(b) - total(a))).slice(0, limit.count);
  });
  const times = Array.from({ length: steps }, (_, step) => from + step * interval);
  return { times, interval, series, rows: [] };
}

function linesOf(frame: Frame, steps: number): Row[] {
  if (frame.constant === undefined) return [...frame.rows.values()];
  return [{ tags: [], values: new Float64Array(steps).fill(frame.constant) }];
}

/** Each query is made into one value a group first, then the formulas are computed of these. */
function drawRows({ queries, formulas, sort }: Parsed, evaluation: Evaluation): DrawAnswer {
  const named = (name: string, at: Evaluation): Frame => {
    const { expression, aggregator = "avg", store } = queryOf(queries, name);
    const measure = Object.hasOwn(MEASURES, aggregator) ? MEASURES[aggregator] : undefined;
    if (measure === undefined) throw new Unsupported(`the aggregator "${aggregator}"`);
    return mapFrame(evaluate(expression, { ...at, store, span: spanFor(aggregator, at.span) }), (values) => {
      return Float64Array.of(measure(values));
    });
  };
  const frames = formulas.map(({ expression }) => evaluate(expression, { ...evaluation, named }));
  const groups = new Map<string, readonly string[]>();
  for (const { rows } of frames) for (const [key, { tags }] of rows) groups.set(key, tags);
  if (frames.some(({ constant }) => constant !== undefined) && groups.size === 0) groups.set("", []);
  const rows: RowView[] = [...groups].map(([key, group]) => {
    const values = frames.map((frame) => orNull(frame.constant ?? frame.rows.get(key)?.values[0] ?? frame.missing));
    return { group, values };
  });
  const shown = rows.filter(({ values }) => values.some((value) => value !== null));
  return { times: [], interval: 0, series: [], rows: sortRows(shown, formulas, sort) };
}

/** The last value, and a mean or a maximum of sums over time, need intervals. */
function spanFor(aggregator: string, { from, to, interval }: Span): Span {
  if (aggregator === "sum" || interval < to - from) return { from, to, interval };
  const fine = INTERVALS.find((one) => one >= (to - from) / 200) ?? 86_400;
  return { from, to, interval: Math.min(interval, fine) };
}

function sortRows(rows: RowView[], formulas: Parsed["formulas"], sort: Request["sort"]): readonly RowView[] {
  const by = sort?.order_by?.find(({ type }) => type === "formula");
  const limited = formulas.findIndex(({ limit }) => limit !== undefined);
  const index = by?.index ?? Math.max(0, limited);
  const order = by?.order ?? formulas[index]?.limit?.order ?? "desc";
  const sign = order === "asc" ? -1 : 1;
  const of = ({ values }: RowView): number => values[index] ?? Number.NEGATIVE_INFINITY;
  const sorted = rows.sort((a, b) => sign * (of(b) - of(a)) || a.group.join().localeCompare(b.group.join()));
  return sorted.slice(0, Math.min(MAX_ROWS, sort?.count ?? formulas[index]?.limit?.count ?? MAX_ROWS));
}

function queryOf(queries: Parsed["queries"], name: string): ParsedQuery {
  const query = queries.get(name);
  if (query === undefined) throw new Error(`the formula names "${name}", and there is no such query`);
  return query;
}

function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
