import type { Expression } from "../../datadog/query/expression.ts";
import { evaluate } from "../query/evaluate.ts";
import { Unsupported } from "../query/frame.ts";
import type { SeriesStore } from "../series/series.ts";
import type { Measured } from "./measured.ts";
import type { Rules } from "./rules.ts";

const MIN_HISTORY = 30;

/**
 * A stand-in for `anomalies(…, 'basic', bounds)`, whose own algorithm Datadog does not publish: the values before the
 * window set the range, from the lower quartile less `bounds` times the distance of the quartiles to the upper quartile
 * plus as much. The value is the share of intervals outside of it.
 */
export function measureAnomalies(rules: Rules, store: SeriesStore, at: number): ReadonlyMap<string, Measured> {
  const { query, windows } = rules;
  const call = query.expression as Extract<Expression, { kind: "call" }>;
  const [inner, algorithm, width] = call.args;
  const text = (name: string): string | undefined => {
    const value = call.named[name];
    return value?.kind === "text" ? value.value : undefined;
  };
  if (inner === undefined || query.window.type !== "last") throw new Unsupported("anomalies() of nothing");
  if (algorithm?.kind !== "text" || algorithm.value !== "basic") throw new Unsupported("anomalies() but 'basic'");
  const bounds = width?.kind === "number" ? width.value : 2;
  const interval = call.named.interval?.kind === "number" ? call.named.interval.value : 60;
  const direction = text("direction") ?? "both";
  const zeros = text("count_default_zero") === "true";
  const { trigger, recovery } = windows as NonNullable<Rules["windows"]>;
  const from = at - query.window.seconds;
  const frame = evaluate(inner, { store, span: { from, to: at, interval } });
  const measured = new Map<string, Measured>();
  for (const [key, { tags, values: found }] of frame.rows) {
    const values = zeros ? found.map((value) => (Number.isNaN(value) ? 0 : value)) : found;
    const outside = (seconds: number): number => {
      const count = Math.max(1, Math.floor(seconds / interval));
      const history = [...values.slice(0, -count)].filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
      if (history.length < MIN_HISTORY) return 0;
      const low = quantile(history, 0.25);
      const high = quantile(history, 0.75);
      const reach = bounds * (high - low);
      const is = (value: number): boolean =>
        (direction !== "below" && value > high + reach) || (direction !== "above" && value < low - reach);
      return values.slice(-count).filter(is).length / count;
    };
    measured.set(key, { tags, value: outside(trigger), recovery: outside(recovery), full: true });
  }
  return measured;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor((sorted.length - 1) * share)] as number;
}
