import { createReader, type Expression, type Reader, readExpression } from "./expression.ts";
import { QueryFault, type Token } from "./tokens.ts";

export type TimeAggregator = "avg" | "sum" | "min" | "max";
export type Comparator = ">" | ">=" | "<" | "<=";

/** The stretch of time that an evaluation looks at. */
export type Window =
  | { readonly type: "last"; readonly seconds: number }
  /** Grows from the start of the hour, day or month to now. */
  | { readonly type: "current"; readonly period: "hour" | "day" | "month" };

/** `sum(last_1h):sum:spendfuse.cost{*} by {agent}.as_count() > 20`, read. */
export interface MonitorQuery {
  readonly aggregator: TimeAggregator;
  readonly window: Window;
  /** Compares with the same window `shift` seconds ago: the difference, or the change in percent. */
  readonly change?: { readonly as: "change" | "pct_change"; readonly shift: number };
  readonly expression: Expression;
  readonly comparator: Comparator;
  readonly threshold: number;
  /** Position of the threshold in the query, in characters. */
  readonly thresholdAt: { readonly start: number; readonly end: number };
}

const AGGREGATORS: ReadonlySet<string> = new Set(["avg", "sum", "min", "max"]);
const COMPARATORS: ReadonlySet<string> = new Set([">", ">=", "<", "<="]);
const CURRENT: ReadonlyMap<string, "hour" | "day" | "month"> = new Map([
  ["current_1h", "hour"],
  ["current_1d", "day"],
  ["current_1mo", "month"],
]);
const SECONDS = { m: 60, h: 3_600, d: 86_400, w: 604_800 } as const;
const MAX = { m: 10_080, h: 168, d: 7, w: 1 } as const;
const SHIFTS = ["5m", "10m", "15m", "30m", "1h", "2h", "4h", "1d"];

/** Reads the query of a metric monitor. @throws QueryFault */
export function parseMonitorQuery(query: string): MonitorQuery {
  const reader = createReader(query);
  const head = readHead(reader);
  reader.expect(":", "the query");
  const expression = readExpression(reader);
  const sign = reader.peek();
  if (sign === undefined || !COMPARATORS.has(sign.text))
    throw reader.fault("the query needs a comparison with a number, such as > 20");
  reader.take();
  const start = reader.peek()?.at ?? query.length;
  const negative = reader.is("-");
  if (negative) reader.take();
  const number = reader.peek();
  if (number?.kind !== "number") throw reader.fault("the threshold must be a number");
  reader.take();
  if (!reader.done) throw reader.fault(`"${reader.peek()?.text}" is not expected after the threshold`);
  return {
    ...head,
    expression,
    comparator: sign.text as Comparator,
    threshold: negative ? -number.value : number.value,
    thresholdAt: { start, end: number.at + number.text.length },
  };
}

function readHead(reader: Reader): Pick<MonitorQuery, "aggregator" | "window" | "change"> {
  const name = reader.take();
  if (name.text === "change" || name.text === "pct_change") {
    reader.expect("(", name.text);
    const { aggregator, window } = readAggregation(reader, reader.take());
    reader.expect(",", name.text);
    const shift = readShift(reader);
    reader.expect(")", name.text);
    return { aggregator, window, change: { as: name.text, shift } };
  }
  return readAggregation(reader, name);
}

function readAggregation(reader: Reader, name: Token): Pick<MonitorQuery, "aggregator" | "window"> {
  if (!AGGREGATORS.has(name.text))
    throw new QueryFault(`"${name.text}" is no time aggregator: avg, sum, min, max, change, pct_change`, name.at);
  reader.expect("(", name.text);
  const { text, at } = reader.take();
  const period = CURRENT.get(text);
  const window = period === undefined ? lastOf(text, at) : ({ type: "current", period } as const);
  reader.expect(")", name.text);
  return { aggregator: name.text as TimeAggregator, window };
}

function lastOf(text: string, at: number): Window {
  const [, count, unit] = /^last_(\d+)([mhdw])$/.exec(text) ?? [];
  const amount = Number(count);
  if (unit === undefined || amount < 1 || amount > MAX[unit as keyof typeof MAX]) {
    const forms =
      "last_1m to last_10080m, last_1h to last_168h, last_1d to last_7d, last_1w, current_1h, current_1d, current_1mo";
    throw new QueryFault(`"${text}" is no window: ${forms}`, at);
  }
  return { type: "last", seconds: amount * SECONDS[unit as keyof typeof SECONDS] };
}

function readShift(reader: Reader): number {
  const at = reader.peek()?.at ?? 0;
  const { text } = reader.take();
  const [, amount = "", unit] = /^(\d+)([mhd])_ago$/.exec(text) ?? /^last_(\d+)([mhd])$/.exec(text) ?? [];
  if (unit === undefined || !SHIFTS.includes(`${amount}${unit}`))
    throw new QueryFault(`"${text}" is no shift: ${SHIFTS.map((shift) => `${shift}_ago`).join(", ")}`, at);
  return Number(amount) * SECONDS[unit as "m" | "h" | "d"];
}
