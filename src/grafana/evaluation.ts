import { type Expression, type MetricQuery, metricsOf, partsOf } from "../datadog/query/expression.ts";
import type { MonitorQuery } from "../datadog/query/monitor-query.ts";
import { combine, duration, gaugeOf, isCounter, numberOf, type Prom, riseOf } from "./promql.ts";
import { Untranslated } from "./untranslated.ts";

/** Evaluations that a monitor's window grows over: since an hour, day or month began, in UTC. */
const PERIODS = {
  hour: { seconds: 3_600, step: 60 },
  day: { seconds: 86_400, step: 300 },
  month: { seconds: 31 * 86_400, step: 3_600 },
} as const;
const FUNCTIONS: ReadonlySet<string> = new Set(["as_count", "abs", "default_zero"]);
const DAY_S = 86_400;
/** A window up to this long is looked at minute by minute. */
const FINE_S = 4 * 3_600;

/** A recorded series that a rule needs beside its own. */
export interface Recording {
  readonly record: string;
  readonly expr: string;
}

export interface Evaluation extends Prom {
  /** What has to be recorded before, in this order. */
  readonly needs: readonly Recording[];
}

export interface EvaluationOptions {
  /** What recordings are called, without what they are of. */
  readonly record: string;
  /** Seconds that the evaluation stays behind. */
  readonly delay: number;
  readonly requireFullWindow: boolean;
}

/** The value that a monitor compares with its threshold. @throws Untranslated */
export function evaluationOf(query: MonitorQuery, options: EvaluationOptions): Evaluation {
  const { change, expression } = query;
  if (change === undefined) return evaluateOnce(query, options);
  if (query.window.type === "current") throw new Untranslated("a change within a growing window");
  const now = evaluateOnce(query, options);
  const before = evaluateOnce(query, { ...options, delay: options.delay + change.shift });
  if (metricsOf(expression).length === 0) throw new Untranslated("a change without a metric");
  if (change.as === "change") return { ...combine("-", now, before), needs: [] };
  const ratio = combine("/", now, before);
  return { text: `(${ratio.text} - 1) * 100`, by: ratio.by, needs: [] };
}

function evaluateOnce(query: MonitorQuery, options: EvaluationOptions): Evaluation {
  const metrics = metricsOf(query.expression);
  if (metrics.length === 0) throw new Untranslated("a query without a metric");
  const unknown = partsOf(query.expression).find((part) => part.kind === "call" && !FUNCTIONS.has(part.name));
  if (unknown?.kind === "call") throw new Untranslated(`PromQL has no function such as ${unknown.name}`);
  const counted = metrics.filter(isCounter).length;
  if (counted === 0) return gaugeEvaluation(query, options);
  if (counted < metrics.length) throw new Untranslated("counts and gauges in one query");
  if (query.aggregator !== "sum") throw new Untranslated(`${query.aggregator} over the intervals of a count`);
  const needs: Recording[] = [];
  const leaf = (metric: MetricQuery): Prom => countLeaf(metric, query, options, needs);
  return { ...countExpression(query.expression, leaf), needs };
}

/** Sums are taken of each count, and only then is there arithmetic. */
function countExpression(expression: Expression, leaf: (metric: MetricQuery) => Prom): Prom {
  const value = countValue(expression, leaf);
  if (typeof value === "number") throw new Untranslated("a number alone");
  return value;
}

function countValue(expression: Expression, leaf: (metric: MetricQuery) => Prom): Prom | number {
  const number = numberOf(expression);
  if (number !== undefined) return number;
  if (expression.kind === "operation")
    return combine(expression.sign, countValue(expression.left, leaf), countValue(expression.right, leaf));
  if (expression.kind === "metric") throw new Untranslated("a count that is read as a rate: .as_count() is missing");
  if (expression.kind !== "call") throw new Untranslated(`a ${expression.kind} in a query`);
  const [inner] = expression.args;
  if (inner === undefined) throw new Untranslated(`the function ${expression.name}`);
  if (expression.name === "as_count" && inner.kind === "metric") return leaf(inner);
  if (expression.name === "abs") {
    const { text, by } = countExpression(inner, leaf);
    return { text: `abs(${text})`, by };
  }
  if (expression.name === "default_zero") {
    const value = countExpression(inner, leaf);
    if (value.by.length > 0) throw new Untranslated("default_zero of groups: a group that is silent has no value");
    return { text: `(${value.text}) or vector(0)`, by: [] };
  }
  throw new Untranslated(`the function ${expression.name}`);
}

function countLeaf(metric: MetricQuery, query: MonitorQuery, options: EvaluationOptions, needs: Recording[]): Prom {
  const { window } = query;
  const { delay } = options;
  if (window.type === "last") {
    const text = duration(window.seconds);
    return riseOf(metric, { window: text, seconds: window.seconds, offset: delay, lookback: DAY_S });
  }
  return growingSum(metric, window.period, options, needs);
}

/**
 * The sum since a period began. PromQL has no such window: steps are recorded, and of the last 24 hours or 31 days of
 * them those after the period's start are added up. It is behind by one step at most.
 */
function growingSum(
  metric: MetricQuery,
  period: keyof typeof PERIODS,
  { record, delay }: EvaluationOptions,
  needs: Recording[],
): Prom {
  const { seconds, step } = PERIODS[period];
  const name = `${record}:rise${needs.length === 0 ? "" : needs.length}`;
  const start = `${record}:${period}_start`;
  const rise = riseOf(metric, { window: duration(step), seconds: step, offset: delay, lookback: DAY_S });
  if (needs.length === 0) needs.push({ record: start, expr: START[period] });
  needs.push({ record: name, expr: rise.text });
  const since = `${name} and on () (vector(time()) > on () ${start} @ end())`;
  const group = rise.by.length === 0 ? "" : ` by (${rise.by.join(", ")})`;
  return { text: `sum${group} (sum_over_time((${since})[${duration(seconds)}:${duration(step)}]))`, by: rise.by };
}

const START = {
  hour: "vector(time() - time() % 3600)",
  day: "vector(time() - time() % 86400)",
  month: "vector(time() - time() % 86400) - (day_of_month() - 1) * 86400",
} as const;

/** Gauges are combined moment by moment, and then aggregated over the window. */
function gaugeEvaluation(query: MonitorQuery, { delay, requireFullWindow }: EvaluationOptions): Evaluation {
  const { aggregator, window, comparator, expression } = query;
  if (window.type === "current") throw new Untranslated("a growing window over a gauge");
  if (aggregator === "sum")
    throw new Untranslated("the sum of a gauge over time, which depends on how often it is sent");
  const isZero = expression.kind === "call" && expression.name === "default_zero";
  const inner = isZero ? expression.args[0] : expression;
  if (inner === undefined) throw new Untranslated("default_zero of nothing");
  if (isZero && comparator.startsWith("<")) throw new Untranslated("default_zero where less is an alert");
  const moment = gaugeValue(inner);
  if (typeof moment === "number") throw new Untranslated("a number alone");
  const step = window.seconds <= FINE_S ? 60 : 300;
  const offset = delay === 0 ? "" : ` offset ${duration(delay)}`;
  const over = `(${moment.text})[${duration(window.seconds)}:${duration(step)}]${offset}`;
  const steps = Math.floor(window.seconds / step);
  const isFull = requireFullWindow || (isZero && aggregator === "min");
  const text =
    isZero && aggregator === "avg" ? `sum_over_time(${over}) / ${steps}` : `${aggregator}_over_time(${over})`;
  const full = isFull ? `${text} and count_over_time(${over}) >= ${steps}` : text;
  return { text: full, by: moment.by, needs: [] };
}

function gaugeValue(expression: Expression): Prom | number {
  const number = numberOf(expression);
  if (number !== undefined) return number;
  if (expression.kind === "metric") return gaugeOf(expression, 0);
  if (expression.kind === "operation")
    return combine(expression.sign, gaugeValue(expression.left), gaugeValue(expression.right));
  if (expression.kind !== "call") throw new Untranslated(`a ${expression.kind} in a query`);
  const [inner] = expression.args;
  const value = expression.name === "abs" && inner !== undefined ? gaugeValue(inner) : undefined;
  if (value === undefined || typeof value === "number") throw new Untranslated(`the function ${expression.name}`);
  return { text: `abs(${value.text})`, by: value.by };
}
