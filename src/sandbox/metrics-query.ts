import { metricsOf, parseExpression } from "../datadog/query/expression.ts";
import type { Answer } from "../http/exchange.ts";
import { evaluate } from "./query/evaluate.ts";
import { rollupOf } from "./query/functions.ts";
import type { SeriesStore } from "./series/series.ts";

const MAX_POINTS = 350;

/** `GET /api/v1/query`: the points of a query between two moments, in seconds. */
export function queryMetrics(params: URLSearchParams, store: SeriesStore): Answer {
  const from = Number(params.get("from"));
  const to = Number(params.get("to"));
  const query = params.get("query") ?? "";
  if (!(from > 0 && to > from)) return { status: 400, body: { errors: ['"from" and "to" must be seconds, in order'] } };
  try {
    const expression = parseExpression(query);
    const rollup = rollupOf(expression);
    const interval = rollup > 0 ? rollup : Math.max(1, Math.ceil((to - from) / MAX_POINTS));
    const start = rollup > 0 ? Math.floor(from / rollup) * rollup : from;
    const frame = evaluate(expression, { store, span: { from: start, to, interval } });
    const metric = metricsOf(expression)[0]?.metric ?? "";
    const series = [...frame.rows.values()].map(({ tags, values }) => {
      const tagSet = frame.by.map((key, index) => `${key}:${tags[index]}`);
      const points = [...values].flatMap((value, step) =>
        Number.isNaN(value) ? [] : [[(start + step * interval) * 1_000, value]],
      );
      return {
        metric,
        display_name: metric,
        expression: query,
        scope: tagSet.join(",") || "*",
        tag_set: tagSet,
        interval,
        length: points.length,
        start: points[0]?.[0],
        end: points.at(-1)?.[0],
        pointlist: points,
        query_index: 0,
      };
    });
    const times = { from_date: from * 1_000, to_date: to * 1_000 };
    return {
      status: 200,
      body: { status: "ok", res_type: "time_series", query, group_by: frame.by, ...times, series },
    };
  } catch (error) {
    return { status: 400, body: { status: "error", errors: [(error as Error).message] } };
  }
}
