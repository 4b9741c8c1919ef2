import type { Expression } from "../../datadog/query/expression.ts";
import type { Evaluation, Rollup } from "./evaluation.ts";
import { type Frame, mapFrame, type Row, stepsOf, Unsupported } from "./frame.ts";

type Call = Extract<Expression, { kind: "call" }>;
type Evaluate = (expression: Expression, evaluation: Evaluation) => Frame;
type Run = (call: Call, evaluation: Evaluation, evaluate: Evaluate) => Frame;

const HOUR = 3_600;
const ROLLUPS: ReadonlySet<string> = new Set(["sum", "avg", "min", "max", "count"]);
const FILLS: ReadonlySet<string> = new Set(["null", "zero", "last"]);

/** Every function of a query that is known here. What is missing is refused by its name. */
export const FUNCTIONS: Readonly<Record<string, Run>> = {
  as_count: (call, evaluation, evaluate) => evaluate(only(call), evaluation),
  as_rate: (call, evaluation, evaluate) => scale(evaluate(only(call), evaluation), 1 / evaluation.span.interval),
  rollup(call, evaluation, evaluate) {
    const how = nameOf(call.args[1]);
    if (how === undefined || !ROLLUPS.has(how)) throw new Unsupported(`.rollup(${how ?? ""})`);
    const frame = evaluate(only(call), { ...evaluation, rollup: how as Rollup });
    const seconds = numberOf(call.args[2]);
    return seconds === undefined || seconds <= evaluation.span.interval
      ? frame
      : throwCoarse(seconds, evaluation.span.interval);
  },
  fill(call, evaluation, evaluate) {
    const how = nameOf(call.args[1]) ?? "";
    if (!FILLS.has(how)) throw new Unsupported(`.fill(${how})`);
    const frame = evaluate(only(call), evaluation);
    if (how === "null") return frame;
    return mapFrame(frame, (values) => (how === "zero" ? values.map(orZero) : carry(values)), frame.missing);
  },
  default_zero(call, evaluation, evaluate) {
    const frame = mapFrame(evaluate(only(call), evaluation), (values) => values.map(orZero), 0);
    if (!evaluation.onDashboard || frame.by.length > 0 || frame.rows.size > 0 || frame.constant !== undefined)
      return frame;
    return { ...frame, rows: new Map([["", { tags: [], values: new Float64Array(stepsOf(evaluation.span)) }]]) };
  },
  abs: (call, evaluation, evaluate) => mapFrame(evaluate(only(call), evaluation), (values) => values.map(Math.abs)),
  cumsum(call, evaluation, evaluate) {
    return mapFrame(evaluate(only(call), evaluation), (values) => {
      let sum = 0;
      return values.map((value) => {
        sum += orZero(value);
        return sum;
      });
    });
  },
  clamp_min: (call, evaluation, evaluate) => clamp(call, evaluation, evaluate, Math.max),
  clamp_max: (call, evaluation, evaluate) => clamp(call, evaluation, evaluate, Math.min),
  per_minute: (call, evaluation, evaluate) => scale(evaluate(only(call), evaluation), 60 / evaluation.span.interval),
  per_hour: (call, evaluation, evaluate) => scale(evaluate(only(call), evaluation), HOUR / evaluation.span.interval),
  exclude_null: (call, evaluation, evaluate) => evaluate(only(call), { ...evaluation, onDashboard: false }),
  hour_before: (call, evaluation, evaluate) => shifted(call, evaluation, evaluate, HOUR),
  day_before: (call, evaluation, evaluate) => shifted(call, evaluation, evaluate, 24 * HOUR),
  week_before: (call, evaluation, evaluate) => shifted(call, evaluation, evaluate, 7 * 24 * HOUR),
  month_before: (call, evaluation, evaluate) => shifted(call, evaluation, evaluate, 28 * 24 * HOUR),
  calendar_shift: (call, evaluation, evaluate) =>
    shifted(call, evaluation, evaluate, evaluation.span.from - monthsBefore(evaluation.span.from, call)),
  cutoff_min: (call, evaluation, evaluate) => cutOff(call, evaluation, evaluate, (value, limit) => value >= limit),
  cutoff_max: (call, evaluation, evaluate) => cutOff(call, evaluation, evaluate, (value, limit) => value <= limit),
  top(call, evaluation, evaluate) {
    const [, count, by, order] = call.args;
    const limit = numberOf(count) ?? 10;
    const measure = MEASURES[textOf(by) ?? "mean"];
    if (measure === undefined) throw new Unsupported(`top(…, '${textOf(by)}')`);
    const sign = textOf(order) === "asc" ? -1 : 1;
    const frame = evaluate(only(call), evaluation);
    const ranked = [...frame.rows].map(([key, row]): [string, Row, number] => [key, row, measure(row.values)]);
    const first = ranked.sort((a, b) => sign * (b[2] - a[2])).slice(0, limit);
    return { ...frame, rows: new Map(first.map(([key, row]) => [key, row])) };
  },
};

/** Values in time made into one. NaN without any. */
export const MEASURES: Readonly<Record<string, (values: Float64Array) => number>> = {
  sum: (values) => fold(values, (a, b) => a + b),
  mean: mean,
  avg: mean,
  max: (values) => fold(values, Math.max),
  min: (values) => fold(values, Math.min),
  last: (values) => values.findLast((value) => !Number.isNaN(value)) ?? Number.NaN,
};

function mean(values: Float64Array): number {
  let count = 0;
  for (const value of values) if (!Number.isNaN(value)) count += 1;
  return count === 0 ? Number.NaN : fold(values, (a, b) => a + b) / count;
}

function fold(values: Float64Array, combine: (a: number, b: number) => number): number {
  let result = Number.NaN;
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    result = Number.isNaN(result) ? value : combine(result, value);
  }
  return result;
}

function scale(frame: Frame, factor: number): Frame {
  return mapFrame(frame, (values) => values.map((value) => value * factor));
}

function clamp(call: Call, evaluation: Evaluation, evaluate: Evaluate, by: (a: number, b: number) => number): Frame {
  const limit = numberOf(call.args[1]);
  if (limit === undefined) throw new Unsupported(`${call.name}() without a number`);
  return mapFrame(evaluate(only(call), evaluation), (values) =>
    values.map((value) => (Number.isNaN(value) ? value : by(value, limit))),
  );
}

/** Values that are kept, and groups that have any. */
function cutOff(
  call: Call,
  evaluation: Evaluation,
  evaluate: Evaluate,
  isKept: (value: number, limit: number) => boolean,
): Frame {
  const limit = numberOf(call.args[1]);
  if (limit === undefined) throw new Unsupported(`${call.name}() without a number`);
  const frame = mapFrame(evaluate(only(call), evaluation), (values) =>
    values.map((value) => (isKept(value, limit) ? value : Number.NaN)),
  );
  const kept = [...frame.rows].filter(([, { values }]) => values.some((value) => !Number.isNaN(value)));
  return { ...frame, rows: new Map(kept) };
}

/** The same time of day some months before, in seconds: of `calendar_shift(…, '-1mo', 'UTC')`. */
function monthsBefore(seconds: number, call: Call): number {
  const months = /^-(\d+)mo$/.exec(textOf(call.args[1]) ?? "")?.[1];
  if (months === undefined || (textOf(call.args[2]) ?? "UTC") !== "UTC")
    throw new Unsupported("calendar_shift() but by months in UTC");
  const date = new Date(seconds * 1_000);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() - Number(months));
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, last));
  return date.getTime() / 1_000;
}

function shifted(call: Call, evaluation: Evaluation, evaluate: Evaluate, seconds: number): Frame {
  const { from, to, interval } = evaluation.span;
  return evaluate(only(call), { ...evaluation, span: { from: from - seconds, to: to - seconds, interval } });
}

function carry(values: Float64Array): Float64Array {
  let last = Number.NaN;
  return values.map((value) => {
    if (!Number.isNaN(value)) last = value;
    return last;
  });
}

function throwCoarse(seconds: number, interval: number): never {
  throw new Unsupported(`.rollup(…, ${seconds}) in intervals of ${interval} s`);
}

function only(call: Call): Expression {
  const [first] = call.args;
  if (first === undefined) throw new Unsupported(`${call.name}() of nothing`);
  return first;
}

function orZero(value: number): number {
  return Number.isNaN(value) ? 0 : value;
}

function numberOf(expression: Expression | undefined): number | undefined {
  if (expression?.kind === "number") return expression.value;
  // A negative number is read as 0 less it.
  if (expression?.kind === "operation" && expression.sign === "-" && expression.left.kind === "number") {
    const right = numberOf(expression.right);
    return right === undefined ? undefined : expression.left.value - right;
  }
  return undefined;
}

function textOf(expression: Expression | undefined): string | undefined {
  return expression?.kind === "text" ? expression.value : undefined;
}

function nameOf(expression: Expression | undefined): string | undefined {
  return expression?.kind === "name" ? expression.name : textOf(expression);
}

/** The largest interval that a `.rollup()` inside asks for, in seconds; 0 without one. */
export function rollupOf(expression: Expression): number {
  if (expression.kind === "operation") return Math.max(rollupOf(expression.left), rollupOf(expression.right));
  if (expression.kind !== "call") return 0;
  const asked = expression.name === "rollup" ? expression.args[2] : undefined;
  const own = numberOf(asked) ?? (nameOf(asked) === "daily" ? 24 * HOUR : 0);
  return Math.max(own, ...expression.args.map(rollupOf));
}
