/** Requests and responses of the sandbox's page. Times are in seconds of the sandbox's clock. */

/** `GET /sandbox/state` */
export interface StateView {
  /** Says that this is not Datadog. */
  readonly notice: string;
  readonly now: number;
  readonly clock: { readonly type: "real" | "simulated"; readonly speed: number };
  readonly intake: IntakeView;
  readonly monitors: readonly MonitorView[];
  readonly circuits: CircuitsView;
  readonly budgets: BudgetsView;
  /** Newest first. */
  readonly webhooks: readonly WebhookView[];
  readonly dashboards: readonly { readonly id: string; readonly title: string }[];
  readonly semantics: readonly SemanticView[];
}

export interface IntakeView {
  readonly points: number;
  readonly series: number;
  readonly spans: number;
  /** Points held now, and the most that are ever held. */
  readonly held: number;
  readonly limit: number;
  /** Points rejected, by reason: `late`, `future`, `temporality`, `series limit`. */
  readonly dropped: Readonly<Record<string, number>>;
}

export type MonitorStatus = "OK" | "Warn" | "Alert" | "No Data";

const WORST_FIRST: readonly MonitorStatus[] = ["Alert", "Warn", "No Data", "OK"];

/** For sorting by status, the worst first. */
export function compareStatus(a: { readonly status: MonitorStatus }, b: { readonly status: MonitorStatus }): number {
  return WORST_FIRST.indexOf(a.status) - WORST_FIRST.indexOf(b.status);
}

export interface MonitorView {
  readonly id: number;
  readonly name: string;
  readonly query: string;
  readonly message: string;
  readonly tags: readonly string[];
  readonly priority: number | undefined;
  readonly critical: number | undefined;
  readonly warning: number | undefined;
  /** The worst of its groups. */
  readonly status: MonitorStatus;
  readonly groups: readonly GroupView[];
  /** Why the sandbox cannot evaluate it: the name of what it does not support. */
  readonly refused: string | undefined;
  /** Newest first. */
  readonly transitions: readonly TransitionView[];
}

export interface GroupView {
  /** `agent:researcher`, or `*`. */
  readonly group: string;
  readonly status: MonitorStatus;
  readonly value: number | undefined;
  readonly since: number;
}

export interface TransitionView {
  readonly at: number;
  readonly group: string;
  /** As Datadog names it in `$ALERT_TRANSITION`. */
  readonly transition: string;
  readonly value: number | undefined;
  /** Handles of the message that were notified, such as `@webhook-spendfuse`. */
  readonly notified: readonly string[];
  /** Whether nobody was notified because of a downtime. */
  readonly muted: boolean;
}

export interface CircuitsView {
  /** Why none are shown: no breaker is set, or it does not answer. */
  readonly why: string | undefined;
  readonly circuits: readonly CircuitView[];
  /** Whether the page may trip and reset. */
  readonly operable: boolean;
}

export interface CircuitView {
  readonly scope: string;
  readonly state: "open" | "probing" | "closed";
  /** Milliseconds since the epoch. */
  readonly until: number | undefined;
  readonly source: string;
  readonly reason: string;
}

export interface BudgetsView {
  /** Why none are shown: no breaker is set, it has no operator's token, or it does not answer. */
  readonly why: string | undefined;
  readonly budgets: readonly BudgetRowView[];
  /** Raises that wait for an answer. */
  readonly requests: readonly RequestView[];
}

/** As the breaker shows it. Amounts are in USD, tokens, calls or seconds; times in milliseconds since the epoch. */
export interface BudgetRowView {
  readonly budget: string;
  readonly scope: string;
  readonly run?: string;
  readonly unit: "usd" | "tokens" | "calls" | "seconds";
  /** Absent for a run. */
  readonly until?: number;
  readonly spent: number;
  readonly inUse: number;
  readonly cap: number;
  readonly raised: number;
}

export interface RequestView {
  readonly id: string;
  readonly budget: string;
  readonly scope: string;
  readonly run?: string;
  readonly unit: BudgetRowView["unit"];
  readonly amount: number;
  readonly by: string;
  readonly reason: string;
  readonly until: number;
}

export interface WebhookView {
  readonly at: number;
  readonly name: string;
  readonly monitor: string;
  readonly group: string;
  readonly transition: string;
  readonly attempts: number;
  /** The last answer: a status, or why there was none. */
  readonly answer: string;
  readonly delivered: boolean;
}

export interface SemanticView {
  readonly name: string;
  readonly rule: string;
  /** The section of the reference that documents it. */
  readonly cites: string;
  readonly confirmed: boolean;
}

/** `POST /sandbox/draw`: one request of a widget, as in the dashboard. */
export interface DrawOrder {
  /** `{ response_format, queries, formulas, ... }` */
  readonly request: unknown;
  readonly from: number;
  readonly to: number;
  /** Template variables by name; `*` or absent is everything. */
  readonly variables: Readonly<Record<string, string>>;
  /** How many points a line should have at most. */
  readonly points: number;
}

export interface DrawAnswer {
  /** For `timeseries`; the times are the starts of intervals of `interval` seconds. */
  readonly times: readonly number[];
  readonly interval: number;
  readonly series: readonly SeriesView[];
  /** For `scalar`: a row a group, a value a formula. Sorted and limited as requested. */
  readonly rows: readonly RowView[];
  /** What could not be evaluated, by name. */
  readonly fault?: string;
}

/** `GET /sandbox/events?q=QUERY&from=SECONDS&to=SECONDS`: what a graph with `events` is overlaid with. */
export interface EventsAnswer {
  /** Newest first. */
  readonly events: readonly EventView[];
}

export interface EventView {
  readonly at: number;
  readonly title: string;
  /** `error`, `warning`, `info`, `success` and others. */
  readonly type: string;
}

export interface SeriesView {
  /** Index of the formula. */
  readonly formula: number;
  readonly label: string;
  /** Values of the tags that it is grouped by, in their order; empty without a group. */
  readonly group: readonly string[];
  readonly values: readonly (number | null)[];
}

export interface RowView {
  readonly group: readonly string[];
  readonly values: readonly (number | null)[];
}
