import { type Expression, type MetricQuery, metricsOf, parseExpression } from "../datadog/query/expression.ts";
import type { Part } from "../datadog/widgets.ts";
import { labelOf } from "./metric-name.ts";
import {
  combine,
  duration,
  gaugeOf,
  isCounter,
  numberOf,
  type Prom,
  rateOf,
  riseOf,
  sameLabels,
  shiftOf,
} from "./promql.ts";
import { Untranslated } from "./untranslated.ts";

/** A widget's request: its queries by name, and whether it wants one value of each group or their course. */
export interface PanelRequest {
  readonly queries: ReadonlyMap<string, PanelQuery>;
  readonly scalar: boolean;
}

export interface PanelQuery {
  readonly expression: Expression;
  /** How one value is made of the course, such as `last`. */
  readonly aggregator: string;
}

const HOUR_S = 3_600;

/** Reads a request of a widget. @throws QueryFault */
export function readRequest(request: Part): PanelRequest {
  const list = (request.queries ?? []) as readonly Part[];
  const queries = list.map(({ name, query, aggregator }) => {
    return [
      String(name),
      { expression: parseExpression(String(query)), aggregator: String(aggregator ?? "avg") },
    ] as const;
  });
  return { queries: new Map(queries), scalar: request.response_format !== "timeseries" };
}

/** A formula over a request's queries as PromQL. @throws Untranslated */
export function formulaOf(formula: string, request: PanelRequest): Prom {
  const value = formulaValue(parseExpression(formula), request);
  return typeof value === "number" ? { text: `vector(${value})`, by: [] } : value;
}

function formulaValue(expression: Expression, request: PanelRequest): Prom | number {
  const number = numberOf(expression);
  if (number !== undefined) return number;
  if (expression.kind === "operation")
    return combine(expression.sign, formulaValue(expression.left, request), formulaValue(expression.right, request));
  if (expression.kind === "name") {
    const query = request.queries.get(expression.name);
    if (query === undefined) throw new Untranslated(`a formula of ${expression.name}, which is no query`);
    return queryOf(query.expression, { ...query, request, offset: 0, window: undefined });
  }
  const zeroed = zeroedName(expression);
  if (zeroed !== undefined) {
    const query = request.queries.get(zeroed);
    if (query === undefined) throw new Untranslated(`a formula of ${zeroed}, which is no query`);
    const context = { ...query, request, offset: 0, window: undefined };
    return orZero(queryOf(query.expression, context), context);
  }
  if (expression.kind === "call") throw new Untranslated(`PromQL has no function such as ${expression.name}`);
  throw new Untranslated(`a ${expression.kind} in a formula`);
}

/** `a` of `default_zero(a)`. */
function zeroedName(expression: Expression): string | undefined {
  if (expression.kind !== "call" || expression.name !== "default_zero") return undefined;
  const [inner] = expression.args;
  return inner?.kind === "name" ? inner.name : undefined;
}

interface Context {
  readonly aggregator: string;
  readonly request: PanelRequest;
  readonly offset: number;
  /** Seconds that a rollup asks for. */
  readonly window: number | undefined;
}

function queryOf(expression: Expression, context: Context): Prom {
  if (expression.kind === "metric") return metricValue(expression, context, false);
  if (expression.kind === "operation")
    return combine(expression.sign, sideOf(expression.left, context), sideOf(expression.right, context));
  if (expression.kind !== "call") throw new Untranslated(`a ${expression.kind} in a query`);
  return callValue(expression, context);
}

function sideOf(expression: Expression, context: Context): Prom | number {
  return numberOf(expression) ?? queryOf(expression, context);
}

function callValue(call: Extract<Expression, { kind: "call" }>, context: Context): Prom {
  const [inner, second] = call.args;
  if (inner === undefined) throw new Untranslated(`the function ${call.name}`);
  const shift = shiftOf(call);
  if (shift !== undefined) return queryOf(inner, { ...context, offset: context.offset + shift });
  const number = second === undefined ? undefined : numberOf(second);
  switch (call.name) {
    case "as_count":
      if (inner.kind === "metric") return metricValue(inner, context, true);
      break;
    case "as_rate":
      if (inner.kind === "metric") return metricValue(inner, context, false);
      break;
    case "rollup":
      return rollup(call, inner, context);
    case "default_zero":
      return orZero(queryOf(inner, context), context);
    case "abs": {
      const { text, by } = queryOf(inner, context);
      return { text: `abs(${text})`, by };
    }
    case "cutoff_min":
    case "cutoff_max":
      if (number === undefined) break;
      return combine(call.name === "cutoff_min" ? ">=" : "<=", queryOf(inner, context), number);
    case "top":
      return top(call, inner, context);
  }
  throw new Untranslated(`PromQL has no function such as ${call.name}`);
}

function rollup(call: Extract<Expression, { kind: "call" }>, inner: Expression, context: Context): Prom {
  const [, method, seconds] = call.args;
  const window = seconds === undefined ? undefined : numberOf(seconds);
  const name = method?.kind === "name" ? method.name : method?.kind === "text" ? method.value : undefined;
  if (window === undefined || name !== "sum" || !metricsOf(inner).every(isCounter))
    throw new Untranslated("a rollup other than the sum of a count by seconds");
  return queryOf(inner, { ...context, window });
}

/** The greatest groups: at each moment in a course, so that more of them may be seen than asked for. */
function top(call: Extract<Expression, { kind: "call" }>, inner: Expression, context: Context): Prom {
  const [, count, , direction] = call.args;
  const limit = count === undefined ? undefined : numberOf(count);
  if (limit === undefined) throw new Untranslated("top without a number");
  const { text, by } = queryOf(inner, context);
  const name = direction?.kind === "text" && direction.value === "asc" ? "bottomk" : "topk";
  return { text: `${name}(${limit}, ${text})`, by };
}

/** Groups without a value are 0 where another query of the request has them. */
function orZero(value: Prom, { request, ...context }: Context): Prom {
  if (value.by.length === 0) return { text: `(${value.text}) or vector(0)`, by: [] };
  const others = [...request.queries.values()].flatMap(({ expression, aggregator }) => {
    const inner = expression.kind === "call" && expression.name === "default_zero" ? expression.args[0] : expression;
    const other = inner && queryOf(inner, { ...context, aggregator, request, offset: 0 });
    return other === undefined || other.text === value.text || !sameLabels(other.by, value.by) ? [] : [other];
  });
  return { text: [`(${value.text})`, ...others.map(({ text }) => `(${text}) * 0`)].join(" or "), by: value.by };
}

function metricValue(metric: MetricQuery, context: Context, count: boolean): Prom {
  const { offset, request, aggregator } = context;
  const seconds = context.window;
  const window = seconds !== undefined ? duration(seconds) : request.scalar ? "$__range" : "$__interval";
  const span = { window, seconds, offset, lookback: HOUR_S };
  if (isCounter(metric)) {
    if (!count) return rateOf(metric, span);
    if (request.scalar && aggregator !== "sum") throw new Untranslated(`the ${aggregator} of a count's intervals`);
    return riseOf(metric, span);
  }
  if (!request.scalar) return gaugeOf(metric, offset);
  if (aggregator === "last") return gaugeOf(metric, offset, window);
  if (!["avg", "min", "max"].includes(aggregator)) throw new Untranslated(`the ${aggregator} of a gauge over time`);
  const shifted = offset === 0 ? "" : ` offset ${duration(offset)}`;
  const moment = gaugeOf(metric, 0);
  return { text: `${aggregator}_over_time((${moment.text})[${window}:1m]${shifted})`, by: metric.by.map(labelOf) };
}
