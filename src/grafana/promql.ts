import type { Expression, MetricQuery } from "../datadog/query/expression.ts";
import { labelOf, metricOf, prometheusName } from "./metric-name.ts";
import { selectorsOf } from "./selectors.ts";
import { Untranslated } from "./untranslated.ts";

/** A PromQL expression and the labels of its result. */
export interface Prom {
  readonly text: string;
  readonly by: readonly string[];
}

/** The stretch of time of which a count is the increase. */
export interface Span {
  /** Such as `1h`, or a variable of Grafana. */
  readonly window: string;
  /** The window in seconds; undefined for a variable of Grafana. */
  readonly seconds: number | undefined;
  /** How long ago it ended, in seconds. */
  readonly offset: number;
  /** How far back a series is looked for before it counts as new, in seconds. */
  readonly lookback: number;
}

/** Seconds as a duration of PromQL. */
export function duration(seconds: number): string {
  for (const [unit, size] of [
    ["w", 604_800],
    ["d", 86_400],
    ["h", 3_600],
    ["m", 60],
  ] as const)
    if (seconds >= size && seconds % size === 0) return `${seconds / size}${unit}`;
  return `${seconds}s`;
}

function offsetBy(seconds: number): string {
  return seconds === 0 ? "" : ` offset ${duration(seconds)}`;
}

function grouping(by: readonly string[]): string {
  return by.length === 0 ? "" : ` by (${by.join(", ")})`;
}

export function isCounter({ metric }: MetricQuery): boolean {
  return metricOf(metric).kind === "counter";
}

/**
 * What a counter rose by. `increase()` does not see the first value of a series, which through a Collector is money and
 * not 0, so that the total counts of a series that is new in the window and was not reset.
 */
export function riseOf(query: MetricQuery, { window, seconds, offset, lookback }: Span): Prom {
  const by = query.by.map(labelOf);
  const selectors = selectorsOf(prometheusName(metricOf(query.metric)), query.filter);
  const each = (write: (selector: string) => string): string => selectors.map(write).join(" or ");
  const increase = each((one) => `increase(${one}[${window}]${offsetBy(offset)})`);
  // An offset cannot add a variable and a number.
  const isExact = query.aggregator === "sum" && (seconds !== undefined || offset === 0);
  if (!isExact) return { text: `${query.aggregator}${grouping(by)} (${increase})`, by };
  const before = seconds === undefined ? ` offset ${window}` : offsetBy(seconds + offset);
  const known = each((one) => `last_over_time(${one}[${duration(lookback)}]${before})`);
  const total = each((one) => `last_over_time(${one}[${window}]${offsetBy(offset)})`);
  const resets = each((one) => `resets(${one}[${window}]${offsetBy(offset)})`);
  const fresh = `(${total}) unless (${known}) unless (${resets}) > 0`;
  return { text: `sum${grouping(by)} (${fresh} or ${increase})`, by };
}

/** The increase per second. */
export function rateOf(query: MetricQuery, { window, offset }: Span): Prom {
  const by = query.by.map(labelOf);
  const selectors = selectorsOf(prometheusName(metricOf(query.metric)), query.filter);
  const rate = selectors.map((one) => `rate(${one}[${window}]${offsetBy(offset)})`).join(" or ");
  return { text: `${query.aggregator}${grouping(by)} (${rate})`, by };
}

/** A gauge as it is at one moment, or its last value in a window. */
export function gaugeOf(query: MetricQuery, offset: number, window?: string): Prom {
  const by = query.by.map(labelOf);
  const write = (one: string): string =>
    window === undefined ? `${one}${offsetBy(offset)}` : `last_over_time(${one}[${window}]${offsetBy(offset)})`;
  const series = selectorsOf(prometheusName(metricOf(query.metric)), query.filter)
    .map(write)
    .join(" or ");
  return { text: `${query.aggregator}${grouping(by)} (${series})`, by };
}

const SHIFTS: Readonly<Record<string, number>> = { hour_before: 3_600, day_before: 86_400, week_before: 604_800 };
const CALENDAR: Readonly<Record<string, number>> = { "-1d": 86_400, "-1w": 604_800 };

/** The shift of a function such as `day_before` in seconds; undefined for other functions. @throws Untranslated */
export function shiftOf(call: Extract<Expression, { kind: "call" }>): number | undefined {
  if (SHIFTS[call.name] !== undefined) return SHIFTS[call.name];
  const [, by] = call.args;
  if (call.name === "calendar_shift" && by?.kind === "text") {
    if (CALENDAR[by.value] !== undefined) return CALENDAR[by.value];
    throw new Untranslated(`calendar_shift by ${by.value}: PromQL has no calendar months`);
  }
  if (call.name !== "timeshift") return undefined;
  const seconds = by === undefined ? undefined : numberOf(by);
  if (seconds === undefined || seconds > 0) throw new Untranslated("timeshift without a number of seconds");
  return -seconds;
}

/** The number that an expression is; undefined when it is none. */
export function numberOf(expression: Expression): number | undefined {
  if (expression.kind === "number") return expression.value;
  if (expression.kind !== "operation" || expression.sign !== "-") return undefined;
  const { left, right } = expression;
  return left.kind === "number" && left.value === 0 && right.kind === "number" ? -right.value : undefined;
}

/** `left SIGN right`: groups are matched by their labels, and one without groups applies to all of the other. */
export function combine(sign: string, left: Prom | number, right: Prom | number): Prom {
  const text = (side: Prom | number): string => (typeof side === "number" ? String(side) : `(${side.text})`);
  const by = (side: Prom | number): readonly string[] => (typeof side === "number" ? [] : side.by);
  const plain = `${text(left)} ${sign} ${text(right)}`;
  if (typeof left === "number" || typeof right === "number") return { text: plain, by: [...by(left), ...by(right)] };
  if (sameLabels(left.by, right.by)) return { text: plain, by: left.by };
  const [wide, narrow, side] = left.by.length > right.by.length ? [left, right, "left"] : [right, left, "right"];
  if (!narrow.by.every((label) => wide.by.includes(label)))
    throw new Untranslated(`it combines groups by ${left.by.join(", ")} with groups by ${right.by.join(", ")}`);
  return { text: `${text(left)} ${sign} on (${narrow.by.join(", ")}) group_${side} () ${text(right)}`, by: wide.by };
}

export function sameLabels(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((label) => right.includes(label));
}
