import { type Expression, metricsOf, partsOf } from "../../datadog/query/expression.ts";
import { type MonitorQuery, parseMonitorQuery } from "../../datadog/query/monitor-query.ts";
import { Unsupported } from "../query/frame.ts";

/** What happens to a group without data. `default` depends on the query. */
export type OnMissing = "zero" | "last" | "no data" | "notify no data" | "resolve";

/** A monitor's body, read: all that its evaluation needs. Times are in seconds. */
export interface Rules {
  readonly query: MonitorQuery;
  readonly by: readonly string[];
  readonly critical: number;
  readonly warning: number | undefined;
  readonly criticalRecovery: number | undefined;
  readonly warningRecovery: number | undefined;
  readonly every: number;
  readonly delay: number;
  readonly newGroupDelay: number;
  readonly fullWindow: boolean;
  readonly onMissing: OnMissing;
  /** Time without data after which a group is in No Data. */
  readonly noDataAfter: number;
  readonly renotify:
    | { readonly after: number; readonly statuses: ReadonlySet<string>; readonly times: number }
    | undefined;
  readonly resolveAfter: number | undefined;
  /** Hours and minutes at which a day begins, the day on which a month does, the minute at which an hour does, and where. */
  readonly calendar: {
    readonly hour: number;
    readonly minute: number;
    readonly day: number;
    readonly hourStarts: number;
    readonly zone: string;
  };
  readonly counts: boolean;
  /** The window in which an anomaly triggers, and the one in which it recovers. */
  readonly windows: { readonly trigger: number; readonly recovery: number } | undefined;
}

interface Options {
  readonly thresholds?: Readonly<Record<string, number | null>>;
  readonly threshold_windows?: { readonly trigger_window?: string; readonly recovery_window?: string };
  readonly evaluation_delay?: number | null;
  readonly new_group_delay?: number | null;
  readonly require_full_window?: boolean;
  readonly on_missing_data?: string;
  readonly notify_no_data?: boolean;
  readonly no_data_timeframe?: number | null;
  readonly timeout_h?: number | null;
  readonly renotify_interval?: number | null;
  readonly renotify_statuses?: readonly string[] | null;
  readonly renotify_occurrences?: number | null;
  readonly notify_by?: readonly string[];
  readonly scheduling_options?: {
    readonly evaluation_window?: {
      readonly day_starts?: string;
      readonly month_starts?: number;
      readonly hour_starts?: number;
      readonly timezone?: string;
    };
    readonly custom_schedule?: unknown;
  };
}

const TYPES: ReadonlySet<string> = new Set(["metric alert", "query alert"]);
const DAY = 86_400;

/**
 * Reads a monitor.
 * @throws QueryFault for an invalid query, Unsupported with the name of what the sandbox does not support.
 */
export function readRules(body: Readonly<Record<string, unknown>>): Rules {
  const type = String(body.type);
  if (!TYPES.has(type)) throw new Unsupported(`monitors of type "${type}"`);
  const query = parseMonitorQuery(String(body.query));
  const options = (body.options ?? {}) as Options;
  const by = groupTags(query.expression);
  const { thresholds = {}, notify_by: notifyBy } = options;
  if (notifyBy !== undefined && notifyBy.length > 0 && !sameSet(notifyBy, by))
    throw new Unsupported(`notify_by ${JSON.stringify(notifyBy)} on groups {${by}}`);
  if (options.scheduling_options?.custom_schedule !== undefined) throw new Unsupported("custom_schedule");
  const counts = partsOf(query.expression).some((part) => part.kind === "call" && part.name === "as_count");
  const zeroed = partsOf(query.expression).some((part) => part.kind === "call" && part.name === "default_zero");
  if (counts && query.aggregator !== "sum" && !isAnomalies(query.expression))
    throw new Unsupported(`${query.aggregator}() of .as_count(), which Datadog does not take either`);
  return {
    query,
    by,
    critical: query.threshold,
    warning: thresholds.warning ?? undefined,
    criticalRecovery: thresholds.critical_recovery ?? undefined,
    warningRecovery: thresholds.warning_recovery ?? undefined,
    every: everyOf(query),
    delay: options.evaluation_delay ?? 0,
    newGroupDelay: by.length === 0 ? 0 : (options.new_group_delay ?? 60),
    fullWindow: options.require_full_window ?? false,
    onMissing: zeroed ? "zero" : missingOf(options, counts),
    noDataAfter: options.notify_no_data ? (options.no_data_timeframe ?? 10) * 60 : 0,
    renotify: renotifyOf(options),
    resolveAfter: options.timeout_h ? options.timeout_h * 3_600 : undefined,
    calendar: calendarOf(options),
    counts,
    windows: windowsOf(query.expression, options),
  };
}

function groupTags(expression: Expression): readonly string[] {
  const groups = metricsOf(expression).map(({ by }) => by);
  return groups.reduce((widest, by) => (by.length > widest.length ? by : widest), [] as readonly string[]);
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((key) => b.includes(key));
}

/** Longer windows are evaluated less often. */
function everyOf({ window }: MonitorQuery): number {
  if (window.type === "current") return window.period === "hour" ? 60 : window.period === "day" ? 600 : 1_800;
  if (window.seconds < DAY) return 60;
  return window.seconds < 2 * DAY ? 600 : 1_800;
}

function missingOf({ on_missing_data: on, notify_no_data: notify }: Options, counts: boolean): OnMissing {
  if (on === "resolve") return "resolve";
  if (on === "show_no_data") return "no data";
  if (on === "show_and_notify_no_data" || notify === true) return "notify no data";
  return counts ? "zero" : "last";
}

function renotifyOf({ renotify_interval: minutes, ...options }: Options): Rules["renotify"] {
  if (!minutes) return undefined;
  return {
    after: minutes * 60,
    statuses: new Set(options.renotify_statuses ?? ["alert", "no data"]),
    times: options.renotify_occurrences ?? Number.POSITIVE_INFINITY,
  };
}

function calendarOf({ scheduling_options: scheduling }: Options): Rules["calendar"] {
  const {
    day_starts: starts = "00:00",
    month_starts: day = 1,
    hour_starts: hourStarts = 0,
    timezone: zone = "UTC",
  } = scheduling?.evaluation_window ?? {};
  const [hour = 0, minute = 0] = starts.split(":").map(Number);
  return { hour, minute, day, hourStarts, zone };
}

function isAnomalies(expression: Expression): boolean {
  return expression.kind === "call" && expression.name === "anomalies";
}

function windowsOf(expression: Expression, { threshold_windows: windows }: Options): Rules["windows"] {
  if (!isAnomalies(expression)) return undefined;
  const trigger = secondsOf(windows?.trigger_window) ?? 900;
  return { trigger, recovery: secondsOf(windows?.recovery_window) ?? trigger };
}

function secondsOf(text: string | undefined): number | undefined {
  const [, count, unit] = /^last_(\d+)([mhd])$/.exec(text ?? "") ?? [];
  return unit === undefined ? undefined : Number(count) * { m: 60, h: 3_600, d: DAY }[unit as "m" | "h" | "d"];
}
