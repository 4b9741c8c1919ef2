import type { Asset } from "../datadog/assets.ts";
import { unitOf } from "../datadog/parameters.ts";
import { metricsOf } from "../datadog/query/expression.ts";
import { type MonitorQuery, parseMonitorQuery } from "../datadog/query/monitor-query.ts";
import { type AnnotationOptions, type Annotations, annotationsOf, sectionOf } from "./annotations.ts";
import { evaluationOf, type Recording } from "./evaluation.ts";
import { labelOf, metricOf, prometheusName } from "./metric-name.ts";
import { duration } from "./promql.ts";
import { selectorsOf } from "./selectors.ts";
import { type Omission, Untranslated } from "./untranslated.ts";

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Annotations;
}

/** The rules of one monitor, which Prometheus evaluates in this order. */
export interface RuleGroup {
  readonly name: string;
  readonly interval: string;
  readonly rules: readonly (Recording | AlertRule)[];
}

export interface RuleOptions extends Pick<AnnotationOptions, "grafana" | "uids"> {
  /** Before the names of groups, recordings and alerts; empty without one. */
  readonly slug: string;
  /** Whether alerts may open circuits. */
  readonly breaker: boolean;
}

type Thresholds = Readonly<Record<string, number | undefined>>;

interface Options {
  readonly thresholds?: Thresholds;
  readonly evaluation_delay?: number;
  readonly new_group_delay?: number;
  readonly require_full_window?: boolean;
  readonly notify_no_data?: boolean;
  readonly no_data_timeframe?: number;
  readonly on_missing_data?: string;
  readonly scheduling_options?: { readonly evaluation_window?: { readonly timezone?: string } };
}

/** How long Prometheus goes on with the last value of a series. */
const STALE_S = 300;
/** How long after its last point a series is still missed, beyond the time that a monitor waits. */
const MISSED_S = 86_400;

/** The rules of a monitor; undefined when it cannot be translated. Every part that is left out is told. */
export function rulesOf(asset: Asset, options: RuleOptions, tell: (omission: Omission) => void): RuleGroup | undefined {
  const leave = (part: string, why: string): void => tell({ asset: asset.name, part, why });
  try {
    return translate(asset, options, leave);
  } catch (error) {
    if (!(error instanceof Untranslated)) throw error;
    leave("monitor", error.message);
    return undefined;
  }
}

function translate({ name, json }: Asset, options: RuleOptions, leave: (part: string, why: string) => void): RuleGroup {
  const query = parseMonitorQuery(String(json.query));
  const settings = (json.options ?? {}) as Options;
  const thresholds = settings.thresholds ?? {};
  checkOptions(settings, query, leave);
  const slug = options.slug === "" ? "" : `${options.slug.replaceAll("-", "_")}_`;
  const record = `spendfuse:${slug}${name}`;
  const delay = settings.evaluation_delay ?? 0;
  const requireFullWindow = settings.require_full_window === true;
  const { text, by, needs } = evaluationOf(query, { record, delay, requireFullWindow });
  const alert = camel(`spendfuse_${slug}${name}`);
  const tags = (json.tags ?? []) as readonly string[];
  const opensCircuit = options.breaker && tags.includes("breaker:on");
  const describe = describer(json, { unit: unitOf(name), by, opensCircuit, tell: leave, ...options });
  const hold = holdOf(settings, query);
  const compare = comparison({ record, alert, by, sign: query.comparator, hold });
  const labels = { ...labelsOf(tags), ...(typeof json.priority === "number" && { priority: `P${json.priority}` }) };
  const critical: AlertRule = {
    alert,
    expr: compare("critical", query.threshold, thresholds.critical_recovery),
    labels: { severity: "critical", ...labels, ...(opensCircuit && { breaker: "on" }) },
    annotations: describe("is_alert", query.threshold),
  };
  const rules: (Recording | AlertRule)[] = [...needs, { record, expr: text }, critical];
  if (thresholds.warning !== undefined) {
    const above = compare("warning", thresholds.warning, thresholds.warning_recovery);
    const expr = `(${above}) unless on (${by.join(", ")}) ${firing(alert, "critical")}`;
    const annotations = describe("is_warning", thresholds.warning);
    rules.push({ alert, expr, labels: { severity: "warning", ...labels }, annotations });
  }
  if (settings.notify_no_data && settings.no_data_timeframe !== undefined) {
    const expr = missing(query, settings.no_data_timeframe * 60 + windowOf(query));
    const annotations = describe("is_no_data", undefined);
    rules.push({ alert: `${alert}NoData`, expr, labels: { severity: "critical", ...labels }, annotations });
  }
  return { name: `spendfuse_${slug}${name}`, interval: "1m", rules };
}

function checkOptions(settings: Options, query: MonitorQuery, leave: (part: string, why: string) => void): void {
  const zone = settings.scheduling_options?.evaluation_window?.timezone ?? "UTC";
  if (query.window.type === "current" && zone !== "UTC") throw new Untranslated(`days of the time zone ${zone}`);
  if ((settings.new_group_delay ?? 0) > 0) leave("new_group_delay", "rules know no age of a group");
  if (settings.on_missing_data === "show_and_notify_no_data")
    leave("on_missing_data", "use notify_no_data with no_data_timeframe, which becomes a rule");
}

function firing(alert: string, severity: string): string {
  return `ALERTS{alertname=${JSON.stringify(alert)}, alertstate="firing", severity=${JSON.stringify(severity)}}`;
}

interface Compared {
  readonly record: string;
  readonly alert: string;
  readonly by: readonly string[];
  readonly sign: string;
  /** How long an alert goes on without a value, in seconds. */
  readonly hold: number;
}

/** Writes a comparison. An alert that fires goes on to its recovery threshold, and while there is no value. */
function comparison({ record, alert, by, sign, hold }: Compared) {
  return (severity: string, threshold: number, recovery: number | undefined): string => {
    const on = `on (${by.join(", ")})`;
    const parts = [`${record} ${sign} ${threshold}`];
    if (recovery !== undefined && recovery !== threshold)
      parts.push(`(${record} ${sign} ${recovery} and ${on} ${firing(alert, severity)})`);
    if (hold > 0)
      parts.push(
        `(last_over_time(${record}[${duration(hold)}]) and ${on} ${firing(alert, severity)} unless ${on} ${record})`,
      );
    return parts.join(" or ");
  };
}

/** Where people are told of missing data, silence resolves nothing until then. */
function holdOf({ notify_no_data: told, no_data_timeframe: timeframe }: Options, { window }: MonitorQuery): number {
  if (!told || timeframe === undefined || window.type === "current") return 0;
  return Math.max(0, timeframe * 60 - STALE_S);
}

function windowOf({ window }: MonitorQuery): number {
  return window.type === "last" ? window.seconds : 0;
}

/** Groups that have had points in the last day, and none for a time. */
function missing({ expression }: MonitorQuery, seconds: number): string {
  const [metric] = metricsOf(expression);
  if (metric === undefined) throw new Untranslated("a query without a metric");
  const by = metric.by.length === 0 ? "" : ` by (${metric.by.map(labelOf).join(", ")})`;
  const seen = (window: number): string => {
    const selectors = selectorsOf(prometheusName(metricOf(metric.metric)), metric.filter);
    return `group${by} (${selectors.map((one) => `last_over_time(${one}[${duration(window)}])`).join(" or ")})`;
  };
  return `${seen(seconds + MISSED_S)} unless ${seen(seconds)}`;
}

type Describe = (section: string, threshold: number | undefined) => Annotations;

function describer(json: Asset["json"], options: Omit<AnnotationOptions, "title" | "threshold">): Describe {
  const message = String(json.message ?? "");
  const title = String(json.name ?? "");
  return (section, threshold) => {
    const text = sectionOf(message, section) ?? (section === "is_alert" ? message : "");
    return annotationsOf(text, { ...options, title, threshold });
  };
}

/** Tags of a monitor as labels: `for:finance`. What only Datadog needs is left out. */
function labelsOf(tags: readonly string[]): Readonly<Record<string, string>> {
  const pairs = tags.flatMap((tag) => {
    const [, key = "", value = ""] = /^([A-Za-z][\w.-]*):(.+)$/.exec(tag) ?? [];
    return key === "" || key === "managed-by" || key === "breaker" ? [] : [[labelOf(key), value] as const];
  });
  return Object.fromEntries(pairs);
}

function camel(name: string): string {
  return name.replace(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
