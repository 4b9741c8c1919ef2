import { evaluate } from "../query/evaluate.ts";
import type { Evaluation } from "../query/evaluation.ts";
import { type Frame, type Span, stepsOf } from "../query/frame.ts";
import { MEASURES, rollupOf } from "../query/functions.ts";
import type { SeriesStore } from "../series/series.ts";
import { measureAnomalies } from "./anomalies.ts";
import { periodStart } from "./calendar.ts";
import type { Measured } from "./measured.ts";
import type { Rules } from "./rules.ts";

/** Evaluates a monitor's query at a moment, in seconds: a value a group that has data. @throws Unsupported */
export function measure(rules: Rules, store: SeriesStore, now: number): ReadonlyMap<string, Measured> {
  const at = now - rules.delay;
  const { query } = rules;
  if (rules.windows !== undefined) return measureAnomalies(rules, store, at);
  const from =
    query.window.type === "last" ? at - query.window.seconds : periodStart(query.window.period, at, rules.calendar);
  const current = measureSpan(rules, store, from, at);
  if (query.change === undefined) return current;
  const { shift, as } = query.change;
  const before = measureSpan(rules, store, from - shift, at - shift);
  const changed = new Map<string, Measured>();
  for (const [key, { tags, value, full }] of current) {
    const old = before.get(key)?.value;
    // Without data a count is zero; a gauge cannot be compared.
    const base = old ?? (rules.counts ? 0 : Number.NaN);
    const difference = value - base;
    const result = as === "change" ? difference : base === 0 ? Number.NaN : (difference / Math.abs(base)) * 100;
    if (!Number.isNaN(result)) changed.set(key, { tags, value: result, full });
  }
  return changed;
}

function measureSpan(rules: Rules, store: SeriesStore, from: number, to: number): ReadonlyMap<string, Measured> {
  if (to <= from) return new Map();
  const { query } = rules;
  // `.as_count()` adds up the window before any arithmetic.
  const whole = rules.counts && !rules.fullWindow;
  const interval = whole ? to - from : intervalOf(rules, to - from);
  const span: Span = { from, to, interval };
  const frame = evaluate(query.expression, { store, span });
  const measured = new Map<string, Measured>();
  if (frame.constant !== undefined) return measured;
  const reduce = MEASURES[query.aggregator] as (values: Float64Array) => number;
  const totals = rules.counts && !whole ? totalsOf(rules, store, from, to) : undefined;
  for (const [key, { tags, values }] of frame.rows) {
    const value = totals === undefined ? reduce(values) : (totals.rows.get(key)?.values[0] ?? Number.NaN);
    if (Number.isNaN(value)) continue;
    measured.set(key, { tags, value, full: isFull(values, stepsOf(span)) });
  }
  return measured;
}

function totalsOf(rules: Rules, store: SeriesStore, from: number, to: number): Frame {
  const evaluation: Evaluation = { store, span: { from, to, interval: to - from } };
  return evaluate(rules.query.expression, evaluation);
}

/** A point in the second interval is soon enough: exports are a minute apart. */
function isFull(values: Float64Array, steps: number): boolean {
  const first = values.findIndex((value) => !Number.isNaN(value));
  return first >= 0 && (first <= 1 || steps === 1);
}

function intervalOf({ query }: Rules, seconds: number): number {
  const own = seconds <= 4 * 3_600 ? 60 : seconds <= 86_400 ? 300 : 1_800;
  return Math.max(own, rollupOf(query.expression));
}
