type Body = Readonly<Record<string, unknown>>;

/** Shapes of a value: a word of a list, a number within bounds, or a kind. */
type Shape =
  | { readonly words: readonly string[] }
  | { readonly from: number; readonly to: number; readonly whole: boolean }
  | { readonly kind: "text" | "flag" | "texts" | "object" | "list" };

const text = { kind: "text" } as const;
const flag = { kind: "flag" } as const;
const texts = { kind: "texts" } as const;
const object = { kind: "object" } as const;
const list = { kind: "list" } as const;
const whole = (from = 0, to = Number.MAX_SAFE_INTEGER): Shape => ({ from, to, whole: true });

/** Of the API's description of a monitor. */
const MONITOR: Readonly<Record<string, Shape>> = {
  type: {
    words: [
      "composite",
      "event alert",
      "log alert",
      "metric alert",
      "process alert",
      "query alert",
      "rum alert",
      "service check",
      "synthetics alert",
      "trace-analytics alert",
      "slo alert",
      "event-v2 alert",
      "audit alert",
      "ci-pipelines alert",
      "ci-tests alert",
      "error-tracking alert",
      "database-monitoring alert",
      "network-performance alert",
      "cost alert",
      "data-quality alert",
      "network-path alert",
      "data-jobs alert",
      "llm-observability alert",
    ],
  },
  query: text,
  name: text,
  message: text,
  tags: texts,
  // 0 is taken for none.
  priority: whole(0, 5),
  options: object,
  restricted_roles: texts,
  draft_status: { words: ["draft", "published"] },
  assets: list,
};

const OPTIONS: Readonly<Record<string, Shape>> = {
  enable_logs_sample: flag,
  enable_samples: flag,
  escalation_message: text,
  evaluation_delay: whole(0, 86_400),
  group_retention_duration: text,
  groupby_simple_monitor: flag,
  include_tags: flag,
  locked: flag,
  min_failure_duration: whole(0, 7_200),
  min_location_failed: whole(1),
  new_group_delay: whole(),
  new_host_delay: whole(),
  no_data_timeframe: whole(),
  notification_preset_name: { words: ["show_all", "hide_query", "hide_handles", "hide_all"] },
  notify_audit: flag,
  notify_by: texts,
  notify_no_data: flag,
  on_missing_data: { words: ["default", "show_no_data", "show_and_notify_no_data", "resolve"] },
  renotify_interval: whole(),
  renotify_occurrences: whole(),
  renotify_statuses: texts,
  require_full_window: flag,
  scheduling_options: object,
  silenced: object,
  threshold_windows: object,
  thresholds: object,
  timeout_h: whole(0, 24),
  variables: list,
};
const THRESHOLDS = ["critical", "critical_recovery", "ok", "unknown", "warning", "warning_recovery"];
const RENOTIFY: ReadonlySet<unknown> = new Set(["alert", "warn", "no data"]);
/** Types whose own query says whether they are grouped: that of a formula is in its variables. */
const GROUPED_BY_QUERY: ReadonlySet<unknown> = new Set(["metric alert", "query alert"]);
/** Types whose queries compare nothing with a number. */
const WITHOUT_COMPARISON: ReadonlySet<unknown> = new Set(["composite", "service check", "synthetics alert"]);

/** What the API's schema forbids in a monitor, as Datadog says it; undefined when nothing. Unknown keys are no fault. */
export function schemaFault(body: unknown): string | undefined {
  if (!isBody(body)) return "The monitor must be a JSON object";
  for (const key of ["type", "query"]) if (typeof body[key] !== "string") return invalid(key);
  const options = (body.options ?? {}) as Body;
  return faultIn(body, MONITOR) ?? comparisonFault(body) ?? optionsFault(options) ?? groupDelayFault(body, options);
}

/** Whether the query of a monitor makes groups, in a metric's words or in those of other sources. */
export function isGrouped(query: string): boolean {
  return /\bby\s*\{\s*[^}\s]|\.by\(/.test(query);
}

/** A delay of 0 is taken everywhere: it is what no delay means. */
function groupDelayFault({ type, query }: Body, { new_group_delay: delay }: Body): string | undefined {
  const text = String(query);
  if (!delay || !GROUPED_BY_QUERY.has(type) || text.startsWith("formula(") || isGrouped(text)) return undefined;
  return "The new_group_delay option can only be used for multi-alert monitors";
}

function optionsFault(options: Body): string | undefined {
  const fault = faultIn(options, OPTIONS);
  if (fault !== undefined) return fault;
  for (const [name, value] of Object.entries((options.thresholds ?? {}) as Body))
    if (THRESHOLDS.includes(name) && value !== null && typeof value !== "number") return invalid(`thresholds.${name}`);
  if (!((options.renotify_statuses ?? []) as readonly unknown[]).every((status) => RENOTIFY.has(status)))
    return invalid("renotify_statuses");
  return windowFault((options.scheduling_options ?? {}) as Body);
}

function windowFault({ evaluation_window: window }: Body): string | undefined {
  if (window === undefined || window === null) return undefined;
  if (!isBody(window)) return invalid("evaluation_window");
  const { day_starts: day, month_starts: month, hour_starts: hour } = window;
  if (day !== undefined && !/^\d{2}:\d{2}$/.test(String(day))) return invalid("day_starts");
  if (month !== undefined && month !== 1) return invalid("month_starts");
  if (hour !== undefined && !(Number.isInteger(hour) && (hour as number) >= 0 && (hour as number) <= 59))
    return invalid("hour_starts");
  // The day and the month are set together, and neither beside the minute of an hour.
  const alone = (day === undefined) !== (month === undefined) || (hour !== undefined && day !== undefined);
  return alone ? invalid("evaluation_window") : undefined;
}

function comparisonFault({ type, query }: Body): string | undefined {
  if (WITHOUT_COMPARISON.has(type) || /(?:[<>]=?|[=!]=)\s*-?[\d.]/.test(String(query))) return undefined;
  return "The value provided for parameter 'query' is invalid: invalid operator specified: ";
}

function faultIn(part: Body, shapes: Readonly<Record<string, Shape>>): string | undefined {
  for (const [key, value] of Object.entries(part)) {
    const shape = shapes[key];
    if (shape !== undefined && value !== null && value !== undefined && !fits(value, shape)) return invalid(key);
  }
  return undefined;
}

function fits(value: unknown, shape: Shape): boolean {
  if ("words" in shape) return shape.words.includes(value as string);
  if ("from" in shape)
    return Number.isInteger(value) && (value as number) >= shape.from && (value as number) <= shape.to;
  switch (shape.kind) {
    case "text":
      return typeof value === "string";
    case "flag":
      return typeof value === "boolean";
    case "texts":
      return Array.isArray(value) && value.every((one) => typeof one === "string");
    case "list":
      return Array.isArray(value);
    default:
      return isBody(value);
  }
}

function invalid(parameter: string): string {
  return `The value provided for parameter '${parameter}' is invalid`;
}

function isBody(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
