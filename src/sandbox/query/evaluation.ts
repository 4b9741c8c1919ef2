import type { SeriesStore } from "../series/series.ts";
import type { Frame, Span } from "./frame.ts";

/** What a query is evaluated on. */
export interface Evaluation {
  readonly store: SeriesStore;
  readonly span: Span;
  /** Template variables of a dashboard. */
  readonly variable?: (name: string) => { readonly key: string; readonly value: string } | undefined;
  /** Other queries that a formula names. */
  readonly named?: (name: string, evaluation: Evaluation) => Frame;
  /** On a dashboard, series without a tag that is grouped by are a group, `N/A`; and no data at all can be zero. */
  readonly onDashboard?: boolean;
  /** How a metric is rolled up in time, when `.rollup()` is given. */
  readonly rollup?: Rollup;
}

export type Rollup = "sum" | "avg" | "min" | "max" | "count";
