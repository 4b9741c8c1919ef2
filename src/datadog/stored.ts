/** A monitor or a dashboard as Datadog's API takes and answers it. */
type Body = Readonly<Record<string, unknown>>;

/**
 * A monitor as Datadog stores it, as its recorded answers show: texts trimmed, options that say nothing dropped, the
 * type that the query is of, and what it adds to every monitor.
 */
export function storedMonitor(sent: Body): Record<string, unknown> {
  const { classification: _, ...body } = sent;
  const query = trimmed(body.query);
  return {
    ...body,
    type: monitorType(String(body.type), String(query)),
    name: trimmed(body.name),
    message: trimmed(body.message ?? ""),
    query,
    tags: body.tags ?? [],
    priority: body.priority || null,
    options: storedOptions((body.options ?? {}) as Body, String(body.type)),
  };
}

function storedOptions(sent: Body, type: string): Record<string, unknown> {
  const options: Record<string, unknown> = { ...sent };
  if (typeof options.escalation_message === "string") options.escalation_message = trimmed(options.escalation_message);
  const { thresholds, on_missing_data: missing } = sent;
  if (isEmpty(thresholds)) delete options.thresholds;
  if (missing === "default") delete options.on_missing_data;
  options.include_tags ??= true;
  options.notify_audit ??= false;
  if (options.new_host_delay === undefined) options.new_host_delay = 300;
  if (missing === undefined) options.notify_no_data ??= false;
  if (COUNTS_EVENTS.has(type)) options.groupby_simple_monitor ??= false;
  options.silenced ??= {};
  return options;
}

/** Types whose queries count events, which may be grouped and yet alert as one. */
const COUNTS_EVENTS: ReadonlySet<string> = new Set([
  "log alert",
  "rum alert",
  "ci-pipelines alert",
  "ci-tests alert",
  "error-tracking alert",
  "audit alert",
  "event-v2 alert",
  "trace-analytics alert",
]);

/** A window of a day or a month makes a query alert, and a formula of metrics a metric alert, whatever was sent. */
export function monitorType(type: string, query: string): string {
  if (type !== "metric alert" && type !== "query alert") return type;
  if (/^\s*formula\(/.test(query)) return "metric alert";
  return /\(current_1(?:d|mo)\)/.test(query) ? "query alert" : type;
}

/** A dashboard as Datadog stores it. */
export function storedDashboard(sent: Body): Record<string, unknown> {
  return {
    ...sent,
    description: sent.description ?? null,
    template_variables: sent.template_variables ?? null,
    notify_list: sent.notify_list ?? null,
    restricted_roles: sent.restricted_roles ?? [],
  };
}

/** Values that mean the same as a missing key, where it is not null, false or empty. */
const DEFAULTS: Readonly<Record<string, unknown>> = {
  include_tags: true,
  new_host_delay: 300,
  on_missing_data: "default",
  draft_status: "published",
  evaluation_delay: 0,
  renotify_interval: 0,
  timeout_h: 0,
  min_failure_duration: 0,
  title_size: "16",
  title_align: "left",
  has_background: true,
  has_padding: true,
  show_title: true,
  autoscale: true,
};
/** Keys where false is a choice, because a missing one is true. */
const TRUE_BY_DEFAULT: ReadonlySet<string> = new Set(
  Object.entries(DEFAULTS).flatMap(([key, value]) => (value === true ? [key] : [])),
);
/** Lists whose order has no meaning. */
const SETS: ReadonlySet<string> = new Set([
  "tags",
  "renotify_statuses",
  "notify_by",
  "restricted_roles",
  "notify_list",
]);

/**
 * A value as it is compared: two of one meaning are equal. Texts are trimmed; what is missing, null, false, empty or a
 * default is left out; keys and sets are sorted; a number and its text are the same.
 */
export function meaningOf(value: unknown, key = ""): unknown {
  if (typeof value === "string") return value.replaceAll("\r\n", "\n").trim();
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) {
    const list = value.map((one) => meaningOf(one));
    return SETS.has(key) ? list.map((one) => JSON.stringify(one)).sort() : list;
  }
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).flatMap(([name, inner]) => {
    const meaning = meaningOf(inner, name);
    return saysNothing(name, inner, meaning) ? [] : [[name, meaning] as const];
  });
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function saysNothing(key: string, value: unknown, meaning: unknown): boolean {
  if (value === undefined || value === null || meaning === "" || isEmpty(meaning)) return true;
  if (value === false) return !TRUE_BY_DEFAULT.has(key);
  return key in DEFAULTS && DEFAULTS[key] === value;
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function trimmed(value: unknown): unknown {
  return typeof value === "string" ? value.trim() : value;
}
