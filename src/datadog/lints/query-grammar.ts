import { type Expression, parseExpression, partsOf } from "../query/expression.ts";
import { parseMonitorQuery } from "../query/monitor-query.ts";
import { schemaFault } from "../schema/monitor.ts";
import { requestsOf, widgetsOf } from "../widgets.ts";
import type { Fault, Lint } from "./lint.ts";

/** Functions that Datadog has. */
const FUNCTIONS = new Set(
  "as_count as_rate rollup fill default_zero abs cumsum clamp_min clamp_max per_second per_minute per_hour exclude_null hour_before day_before week_before month_before calendar_shift timeshift top bottom anomalies forecast outliers diff derivative dt integral log2 log10 count_nonzero count_not_null cutoff_min cutoff_max ewma_3 ewma_5 ewma_10 ewma_20 moving_rollup monotonic_diff trend_line robust_trend piecewise_constant autosmooth median_3 median_5 median_7 median_9 weighted".split(
    " ",
  ),
);

/** Queries and formulas parse, and call only existing functions. */
export const queryGrammar: Lint = {
  name: "query-grammar",
  rule: "queries and formulas can be read",
  kinds: ["dashboard", "monitor"],
  *check({ kind, json }) {
    if (kind === "monitor") yield* checkMonitor(json);
    else {
      for (const widget of widgetsOf(json)) {
        for (const { queries, formulas } of requestsOf(widget)) {
          for (const { query, path } of queries) yield* checkText(`${path}.query`, query, () => parseExpression(query));
          for (const { formula, path } of formulas)
            yield* checkText(`${path}.formula`, formula, () => parseExpression(formula));
        }
      }
    }
  },
};

function* checkMonitor(monitor: Readonly<Record<string, unknown>>): Iterable<Fault> {
  const fault = schemaFault(monitor);
  if (fault !== undefined) yield { path: "", message: fault };
  const { query, type } = monitor;
  if (type !== "query alert" && type !== "metric alert") return;
  let aggregator = "";
  const parse = (): Expression => {
    const read = parseMonitorQuery(String(query));
    aggregator = read.aggregator;
    return read.expression;
  };
  const found = [...checkText("query", String(query), parse)];
  yield* found;
  if (found.length > 0) return;
  const calls = partsOf(parse()).flatMap((part) => (part.kind === "call" ? [part.name] : []));
  if (calls.includes("as_count") && aggregator !== "sum" && !calls.includes("anomalies"))
    yield { path: "query", message: `.as_count() only goes with sum(…), not with ${aggregator}(…)` };
}

/** What cannot be read is at fault where it is broken in any grammar; else it may be one that we do not know. */
function* checkText(path: string, text: string, parse: () => Expression): Iterable<Fault> {
  const style = isBroken(text) ? {} : ({ style: true } as const);
  try {
    for (const part of partsOf(parse()))
      if (part.kind === "call" && !FUNCTIONS.has(part.name))
        yield { path, message: `there is no function ${part.name}()`, style: true };
  } catch (error) {
    yield { path, message: (error as Error).message, ...style };
  }
}

const PAIRS: Readonly<Record<string, string>> = { ")": "(", "}": "{", "]": "[" };
const WINDOW = /^\s*\w+\(\s*(?:\w+\(\s*)?([a-z]+_\w+)/;
const WINDOWS = /^(?:last|next)_\d+(?:mo|[smhdw])$|^current_1(?:h|d|w|mo|q|y)$/;

/** Whether brackets or quotes do not pair, an operator has nothing after it, or a window is none. */
function isBroken(text: string): boolean {
  const open: string[] = [];
  let quote: string | undefined;
  for (const char of text) {
    if (quote !== undefined) {
      if (char === quote) quote = undefined;
    } else if (char === '"') quote = char;
    else if ("({[".includes(char)) open.push(char);
    else if (PAIRS[char] !== undefined && open.pop() !== PAIRS[char]) return true;
  }
  if (quote !== undefined || open.length > 0 || /[-+*/<>=]\s*$/.test(text)) return true;
  const window = /[<>]=?\s*-?[\d.]+\s*$/.test(text) ? WINDOW.exec(text)?.[1] : undefined;
  return window !== undefined && !WINDOWS.test(window);
}
