import { formatFigure, type ParameterUnit } from "../datadog/parameters.ts";
import { labelOf } from "./metric-name.ts";

/** What the text of a rule says of its figures. */
export interface AnnotationOptions {
  /** The summary of an alert whose monitor has no text for it. */
  readonly title: string;
  readonly unit: ParameterUnit | undefined;
  readonly threshold: number | undefined;
  /** The labels of the alert. */
  readonly by: readonly string[];
  /** Where Grafana is; without it dashboards are named and not linked. */
  readonly grafana: string | undefined;
  /** The uids of the dashboards, by title. */
  readonly uids: ReadonlyMap<string, string>;
  readonly opensCircuit: boolean;
  /** Takes each part of a text that Prometheus's templates do not have. */
  readonly tell: (part: string, why: string) => void;
}

export type Annotations = Readonly<Record<"summary" | "description", string>> &
  Readonly<Partial<Record<"value" | "limit" | "dashboard", string>>>;

const FORMATS: Readonly<Record<ParameterUnit, string>> = {
  usd: '{{ printf "%.2f" $value }}',
  share: '{{ printf "%.3g" $value }}',
  calls: '{{ printf "%.0f" $value }}',
  files: '{{ printf "%.0f" $value }}',
  seconds: "{{ $value | humanizeDuration }}",
};
const NUMBER = '{{ printf "%.3g" $value }}';
/** A value in seconds that Datadog is asked to write as hours. */
const HOURS = /\{\{\s*eval "(?:round\()?value\/3600\)?"\s*\}\}(?: h\b)?/g;
/** A share that Datadog is asked to write in percent. */
const PERCENT = /\{\{\s*eval "(?:round\()?value\*100\)?"\s*\}\}(?: %)?/g;
const LINK = /\[([^\]]*)\]\((\/[^)\s]*)\)/g;
const LIST = "/dashboard/lists?q=";

/** A part of a monitor's message, such as `is_alert`; undefined when it has none. */
export function sectionOf(message: string, name: string): string | undefined {
  return new RegExp(`\\{\\{#${name}\\}\\}([\\s\\S]*?)\\{\\{/${name}\\}\\}`).exec(message)?.[1]?.trim();
}

/** Datadog's text as annotations of a rule: templates of Prometheus, no handles, links into Grafana. */
export function annotationsOf(section: string, options: AnnotationOptions): Annotations {
  const { unit, threshold, grafana, by } = options;
  const value = unit === undefined ? NUMBER : FORMATS[unit];
  const plain = section
    .replace(/\{\{[\^#](is_\w+)\}\}[\s\S]*?\{\{\/\1\}\}/g, "")
    .replace(/(^|\s)@[A-Za-z][\w.@/-]*/g, "$1")
    .replaceAll("{{value}}", value)
    .replaceAll(HOURS, FORMATS.seconds)
    .replaceAll(PERCENT, "{{ $value | humanizePercentage }}")
    .replaceAll(/\{\{([\w.]+?)\.name\}\}/g, (_, tag: string) => `{{ $labels.${labelOf(tag)} }}`)
    .replace(FOREIGN, (whole) => {
      options.tell("message", `templates of Prometheus have no ${whole}`);
      return "";
    });
  const text = rewordOf(plain, options).trim();
  const uids = [...text.matchAll(LINK)].flatMap(([, , path = ""]) => uidOf(path, options.uids) ?? []);
  const linked = text.replace(LINK, (_, name: string, path: string) => {
    const uid = uidOf(path, options.uids);
    return uid === undefined || grafana === undefined ? name : `[${name}](${addressOf(grafana, uid, by)})`;
  });
  const [first = "", ...rest] = (linked || options.title).split("\n\n");
  const limit =
    threshold === undefined ? undefined : unit === undefined ? String(threshold) : formatFigure(threshold, unit);
  return {
    summary: first.replaceAll("**", "").replace(LINK_TEXT, "$1").replace(/\s+/g, " ").trim(),
    description: rest.length === 0 ? first : rest.join("\n\n").trim(),
    ...(limit !== undefined && { value: unit === "usd" ? `$${value}` : value, limit }),
    ...(grafana !== undefined && uids[0] !== undefined && { dashboard: addressOf(grafana, uids[0], by) }),
  };
}

/** Templates that are neither a label nor a value. */
const FOREIGN = /\{\{(?! (?:\$labels\.|\$value|printf "))[^}]*\}\}/g;
const LINK_TEXT = /\[([^\]]*)\]\([^)]*\)/g;

function uidOf(path: string, uids: ReadonlyMap<string, string>): string | undefined {
  return path.startsWith(LIST) ? uids.get(decodeURIComponent(path.slice(LIST.length))) : undefined;
}

function addressOf(grafana: string, uid: string, by: readonly string[]): string {
  const values = by.map((label) => `var-${label}={{ $labels.${label} | urlquery }}`);
  const query = values.length === 0 ? "" : `?${values.join("&")}`;
  return `${grafana.replace(/\/+$/, "")}/d/${uid}${query}`;
}

const AUTOMATIC = /\*\*What happened automatically:\*\* the breaker was told to stop [^\n]*/g;

/** What is different without Datadog: how a circuit stays open, and how an alert is muted. */
function rewordOf(text: string, { opensCircuit, by }: AnnotationOptions): string {
  const scope = by.map((label) => `{{ $labels.${label} }}`).join(", ");
  const told = opensCircuit
    ? `**What happened automatically:** the breaker stops ${scope} in every process, if Alertmanager sends it alerts with the label breaker="on". The circuit stays open while this alert fires, and at most for the breaker's \`--ttl\`. Calls in progress run to their end.`
    : "**What happened automatically:** nothing: this rule does not open circuits.";
  return text
    .replace(AUTOMATIC, () => told)
    .replaceAll("`spendfuse deploy --set", "`spendfuse deploy --to grafana --set")
    .replaceAll(" --mute 1h`, which also mutes this monitor for it", "`, and silence this alert in Alertmanager")
    .replaceAll(
      "Datadog drops what is older than an hour by then",
      "Prometheus takes it within its out_of_order_time_window",
    )
    .replaceAll("Datadog", "Prometheus")
    .replace(/\bmonitor(?=s?\b)/g, "rule");
}
