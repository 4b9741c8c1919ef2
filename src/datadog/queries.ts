import type { Asset } from "./assets.ts";
import { type MetricQuery, metricsOf, parseExpression } from "./query/expression.ts";
import { parseMonitorQuery } from "./query/monitor-query.ts";
import { requestsOf, widgetsOf } from "./widgets.ts";

/** The metrics that one query of an asset names, and where it is. */
export interface AssetQuery {
  readonly metrics: readonly MetricQuery[];
  readonly path: string;
}

/** The queries of an asset. Those that cannot be parsed are left out. */
export function queriesOf({ kind, json }: Asset): readonly AssetQuery[] {
  if (kind === "monitor") {
    const read = attempt(() => metricsOf(parseMonitorQuery(String(json.query)).expression));
    return read === undefined ? [] : [{ metrics: read, path: "query" }];
  }
  return widgetsOf(json).flatMap((widget) =>
    requestsOf(widget).flatMap(({ queries }) =>
      queries.flatMap(({ query, path }) => {
        const metrics = attempt(() => metricsOf(parseExpression(query)));
        return metrics === undefined ? [] : [{ metrics, path: `${path}.query` }];
      }),
    ),
  );
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
