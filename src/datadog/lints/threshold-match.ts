import { formatFigure, unitOf } from "../parameters.ts";
import { type MonitorQuery, parseMonitorQuery } from "../query/monitor-query.ts";
import type { Lint } from "./lint.ts";

interface Thresholds {
  readonly critical?: number;
  readonly warning?: number;
}

/** The threshold is the same in query, options and message, and the warning comes before it. */
export const thresholdMatch: Lint = {
  name: "threshold-match",
  rule: "query, thresholds and message agree",
  kinds: ["monitor"],
  *check({ name, json }) {
    const query = parse(json.query);
    if (query === undefined) return;
    const { critical, warning } = ((json.options as { thresholds?: Thresholds })?.thresholds ?? {}) as Thresholds;
    const path = "options.thresholds";
    if (critical === undefined)
      yield { path, message: `critical is missing: it must be ${query.threshold}, as in the query`, style: true };
    else if (critical !== query.threshold)
      yield { path: `${path}.critical`, message: `is ${critical}, but the query has ${query.threshold}` };
    const above = query.comparator.startsWith(">");
    if (warning !== undefined && (above ? warning >= query.threshold : warning <= query.threshold))
      yield { path: `${path}.warning`, message: `${warning} must come before the critical ${query.threshold}` };
    const unit = unitOf(name);
    const message = String(json.message ?? "");
    for (const value of unit === undefined ? [] : [query.threshold, ...(warning === undefined ? [] : [warning])]) {
      const figure = formatFigure(value, unit as NonNullable<typeof unit>);
      if (!message.includes(figure))
        yield { path: "message", message: `does not say ${figure}, so that it could not be set`, style: true };
    }
  },
};

function parse(query: unknown): MonitorQuery | undefined {
  try {
    return parseMonitorQuery(String(query));
  } catch {
    return undefined;
  }
}
