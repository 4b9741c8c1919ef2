import { type Json, object } from "../../core/json.ts";
import { normalizeTag, UNKNOWN_AGENT, UNTAGGED } from "../../core/scope.ts";
import { NO_TAGS, OTHER, tagValue } from "../../core/tags/tags.ts";
import { type AlertMark, type CircuitEvent, RECOVERED } from "../../limits/circuit.ts";

/** What one alert of a webhook asks for, or why it changes nothing. */
export type AlertReading =
  | { readonly type: "change"; readonly alert: string; readonly scope: string; readonly event: CircuitEvent }
  | { readonly type: "ignore"; readonly alert: string; readonly why: string }
  /** The alert is meant for the breaker, and cannot be applied. */
  | { readonly type: "fault"; readonly alert: string; readonly why: string };

export type AlertmanagerReading =
  | {
      readonly type: "alerts";
      readonly alerts: readonly AlertReading[];
      /** Alerts that Alertmanager left out because of its `max_alerts`. */
      readonly truncated: number;
    }
  | { readonly type: "fault"; readonly why: string };

/** The label that lets an alert open a circuit. Without it an alert only tells people. */
const SWITCH = "breaker";
const KINDS = ["agent", "root_agent", "team", "project"] as const;
const MAX_AHEAD_MS = 10 * 60_000;
const MAX_TEXT = 300;
const MAX_ALERTS = 1_000;

/**
 * Reads the parsed body of an Alertmanager webhook, version 4. Never throws. An alert has no id of its own: fingerprint,
 * start and status make one, so that repeated webhooks, which Alertmanager sends every `repeat_interval`, change nothing.
 * @param tags The tags that the configuration declares: circuits may be of their values.
 */
export function readAlertmanager(
  body: unknown,
  now: number,
  ttlMs: number,
  tags: readonly string[] = NO_TAGS,
): AlertmanagerReading {
  const webhook = object(body);
  if (webhook === undefined) return { type: "fault", why: "the body must be one JSON object" };
  const { alerts } = webhook;
  if (!Array.isArray(alerts))
    return { type: "fault", why: '"alerts" must be a list: this takes webhooks of Alertmanager' };
  if (alerts.length > MAX_ALERTS) return { type: "fault", why: `more than ${MAX_ALERTS} alerts: set max_alerts` };
  const truncated = Number(webhook.truncatedAlerts ?? 0);
  return {
    type: "alerts",
    alerts: alerts.map((alert) => readAlert(object(alert) ?? {}, now, ttlMs, tags)),
    truncated: Number.isSafeInteger(truncated) && truncated > 0 ? truncated : 0,
  };
}

function readAlert(fields: Json, now: number, ttlMs: number, tags: readonly string[]): AlertReading {
  const labels = object(fields.labels) ?? {};
  const alert = oneLine(labels.alertname) || "without a name";
  if (labels[SWITCH] !== "on") return { type: "ignore", alert, why: `its label "${SWITCH}" is not "on"` };
  const { fingerprint, status, startsAt, endsAt } = fields;
  const fault = (why: string): AlertReading => ({ type: "fault", alert, why });
  if (typeof fingerprint !== "string" || !/^[\w-]{1,64}$/.test(fingerprint)) return fault("it has no fingerprint");
  if (status !== "firing" && status !== "resolved") return fault('its status must be "firing" or "resolved"');
  const started = timeOf(startsAt);
  if (started === undefined) return fault('"startsAt" is not a time');
  const ended = status === "resolved" ? timeOf(endsAt) : started;
  if (ended === undefined) return fault('"endsAt" is not a time');
  if (Math.max(started, ended) > now + MAX_AHEAD_MS)
    return fault("it lies more than 10 minutes ahead: check the clocks");
  const scope = scopeOf(labels, tags);
  if ("why" in scope) return scope.many ? { type: "ignore", alert, why: scope.why } : fault(scope.why);
  const by = `alert ${alert}`;
  const transition = status === "resolved" ? RECOVERED : "Triggered";
  // An alert that is resolved in the millisecond in which it began is over all the same.
  const mark: AlertMark = { cycle: String(started), transition, event: "", at: Math.max(started, ended) };
  const monitor = `alertmanager ${fingerprint}`;
  if (status === "resolved") {
    return { type: "change", alert, scope: scope.text, event: { type: "recover", by, alert: [monitor, mark] } };
  }
  const summary = oneLine(object(fields.annotations)?.summary);
  const reason = `Prometheus alert ${alert} fires for ${scope.text}${summary === "" ? "" : `: ${summary}`}`;
  const event = { type: "trip", source: "alertmanager", reason, by, ttlMs, alert: [monitor, mark] } as const;
  return { type: "change", alert, scope: scope.text, event };
}

type Scope = { readonly text: string } | { readonly why: string; readonly many: boolean };

function scopeOf(labels: Json, tags: readonly string[]): Scope {
  const parts: string[] = [];
  for (const kind of [...KINDS, ...tags]) {
    const raw = labels[kind];
    if (typeof raw !== "string" || raw.trim() === "") continue;
    const value = tags.includes(kind) ? tagValue(kind, raw) : normalizeTag(raw);
    if (value === "") continue;
    const unnamed = value === UNKNOWN_AGENT && (kind === "agent" || kind === "root_agent");
    if (value === OTHER || value === UNTAGGED || unnamed) {
      return { why: `${kind}:${value} is not one agent: many add up under it`, many: true };
    }
    parts.push(`${kind}:${value}`);
  }
  if (parts.length > 0) return { text: parts.sort().join(",") };
  return { why: `it has no label of ${KINDS.join(", ")}: let its rule aggregate by one of them`, many: false };
}

/** RFC 3339 with up to nanoseconds, as milliseconds since the epoch; undefined for the zero time. */
function timeOf(text: unknown): number | undefined {
  if (typeof text !== "string" || !/^\d{4}-\d\d-\d\dT/.test(text)) return undefined;
  const at = Date.parse(text.replace(/(\.\d{3})\d+/, "$1"));
  return Number.isFinite(at) && at >= 0 ? at : undefined;
}

function oneLine(text: unknown): string {
  return typeof text === "string"
    ? text
        .replace(/[\s\p{Cc}]+/gu, " ")
        .trim()
        .slice(0, MAX_TEXT)
    : "";
}
