import type { Expression, MetricQuery } from "../../datadog/query/expression.ts";
import { bindVariables, compileFilter } from "../../datadog/query/filter.ts";
import { scanCells } from "../series/cells.ts";
import type { Series } from "../series/series.ts";
import type { Evaluation, Rollup } from "./evaluation.ts";
import { constantFrame, type Frame, joinFrames, type Row, type Span, stepsOf, Unsupported } from "./frame.ts";
import { FUNCTIONS } from "./functions.ts";

/** Values of an expression over a span. @throws Unsupported for what is not known here. */
export function evaluate(expression: Expression, evaluation: Evaluation): Frame {
  switch (expression.kind) {
    case "number":
      return constantFrame(expression.value);
    case "metric":
      return evaluateMetric(expression, evaluation);
    case "name": {
      if (evaluation.named === undefined) throw new Unsupported(`the name "${expression.name}"`);
      return evaluation.named(expression.name, evaluation);
    }
    case "operation": {
      const left = evaluate(expression.left, evaluation);
      return joinFrames(left, evaluate(expression.right, evaluation), OPERATIONS[expression.sign]);
    }
    case "call": {
      const run = Object.hasOwn(FUNCTIONS, expression.name) ? FUNCTIONS[expression.name] : undefined;
      if (run === undefined) throw new Unsupported(`${expression.name}()`);
      return run(expression, evaluation, evaluate);
    }
    default:
      throw new Unsupported(`the text "${expression.value}" as a query`);
  }
}

const OPERATIONS = {
  "+": (a: number, b: number) => a + b,
  "-": (a: number, b: number) => a - b,
  "*": (a: number, b: number) => a * b,
  // Datadog shows no value for a division by zero.
  "/": (a: number, b: number) => (b === 0 ? Number.NaN : a / b),
} as const;

function evaluateMetric(query: MetricQuery, { store, span, variable, rollup, onDashboard }: Evaluation): Frame {
  const filter = compileFilter(bindVariables(query.filter, (name) => variable?.(name)));
  const steps = stepsOf(span);
  const rows = new Map<string, Row & { readonly seen: Float64Array }>();
  const own = createStats(steps);
  for (const series of store.select(query.metric, filter)) {
    rollUp(series, span, own);
    if (!own.any) continue;
    const how = rollup ?? defaultRollup(series, query.aggregator);
    for (const tags of groupsOf(series, query.by, onDashboard ? UNTAGGED : NO_GROUP)) {
      const key = tags.join("\u0000");
      let row = rows.get(key);
      if (row === undefined) {
        row = { tags, values: new Float64Array(steps).fill(Number.NaN), seen: new Float64Array(steps) };
        rows.set(key, row);
      }
      for (let i = 0; i < steps; i += 1) {
        if (own.counts[i] === 0) continue;
        add(row.values, row.seen, i, inTime(own, i, how), query.aggregator);
      }
    }
  }
  if (query.aggregator === "avg")
    for (const { values, seen } of rows.values())
      for (let i = 0; i < steps; i += 1) values[i] = (values[i] as number) / (seen[i] as number);
  return { by: query.by, rows, missing: Number.NaN };
}

/** The value of a tag that a series does not have, as Datadog shows it. */
export const NOT_TAGGED = "N/A";
const UNTAGGED = [NOT_TAGGED];
const NO_GROUP: readonly string[] = [];

/** The values of the tags that a query is grouped by. @param missing Stands for those of a tag that it does not have. */
function groupsOf({ tags }: Series, by: readonly string[], missing: readonly string[]): readonly (readonly string[])[] {
  let groups: readonly (readonly string[])[] = [[]];
  for (const key of by) {
    const values = tags.get(key) ?? missing;
    groups = groups.flatMap((group) => values.map((value) => [...group, value]));
  }
  return groups;
}

interface Stats {
  any: boolean;
  readonly sums: Float64Array;
  readonly counts: Float64Array;
  readonly minima: Float64Array;
  readonly maxima: Float64Array;
}

function createStats(steps: number): Stats {
  const make = (): Float64Array => new Float64Array(steps);
  return { any: false, sums: make(), counts: make(), minima: make(), maxima: make() };
}

function rollUp({ cells }: Series, { from, to, interval }: Span, stats: Stats): void {
  const { sums, counts, minima, maxima } = stats;
  if (stats.any) counts.fill(0);
  stats.any = false;
  scanCells(cells, from, to, (time, sum, count, min, max) => {
    const step = Math.floor((time - from) / interval);
    stats.any = true;
    if (counts[step] === 0) {
      sums[step] = sum;
      counts[step] = count;
      minima[step] = min;
      maxima[step] = max;
      return;
    }
    sums[step] = (sums[step] as number) + sum;
    counts[step] = (counts[step] as number) + count;
    minima[step] = Math.min(minima[step] as number, min);
    maxima[step] = Math.max(maxima[step] as number, max);
  });
}

function defaultRollup({ type }: Series, aggregator: MetricQuery["aggregator"]): Rollup {
  if (type === "count") return "sum";
  return aggregator === "min" || aggregator === "max" ? aggregator : "avg";
}

function inTime({ sums, counts, minima, maxima }: Stats, step: number, how: Rollup): number {
  if (how === "sum") return sums[step] as number;
  if (how === "min") return minima[step] as number;
  if (how === "max") return maxima[step] as number;
  return how === "count" ? (counts[step] as number) : (sums[step] as number) / (counts[step] as number);
}

function add(
  values: Float64Array,
  seen: Float64Array,
  step: number,
  value: number,
  aggregator: MetricQuery["aggregator"],
): void {
  const before = values[step] as number;
  const first = seen[step] === 0;
  seen[step] = (seen[step] as number) + 1;
  if (aggregator === "count") values[step] = seen[step] as number;
  else if (first) values[step] = value;
  else if (aggregator === "min") values[step] = Math.min(before, value);
  else if (aggregator === "max") values[step] = Math.max(before, value);
  else values[step] = before + value;
}
