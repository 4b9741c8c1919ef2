import { holds } from "../../datadog/query/comparison.ts";
import type { Measured } from "./measured.ts";
import type { Rules } from "./rules.ts";

export type Status = "OK" | "Warn" | "Alert" | "No Data";

/** As Datadog names them in `$ALERT_TRANSITION`. */
export type TransitionName = "Triggered" | "Re-Triggered" | "Warn" | "Re-Warn" | "Recovered" | "No Data" | "Renotify";

/** One group of a monitor. Times are in seconds. */
export interface Alert {
  readonly tags: readonly string[];
  readonly status: Status;
  readonly since: number;
  readonly firstSeen: number;
  readonly lastData: number;
  /** Whether it ever had data. */
  readonly seen: boolean;
  readonly value: number | undefined;
  /** When the cycle began that lasts until it recovers; undefined while there is none. */
  readonly cycle: number | undefined;
  readonly lastTold: number;
  readonly renotified: number;
  /** The state before there was no data. */
  readonly before: Status;
  readonly marks: Marks;
}

/** When a group last did each of these; undefined while it never did. */
export interface Marks {
  readonly triggered?: number;
  readonly resolved?: number;
  readonly noData?: number;
  readonly notified?: number;
}

export interface Transition {
  readonly name: TransitionName;
  readonly from: Status;
  readonly to: Status;
  /** The cycle it belongs to: when it began. */
  readonly cycle: number;
  /** Whether notifications are sent. */
  readonly told: boolean;
}

export function newAlert(tags: readonly string[], now: number): Alert {
  const begun = { status: "OK", since: now, firstSeen: now, lastData: now, seen: false, value: undefined } as const;
  return { ...begun, tags, cycle: undefined, lastTold: now, renotified: 0, before: "OK", marks: {} };
}

/** The next state of a group. `measured` is absent when its window has no data. */
export function nextAlert(
  alert: Alert,
  measured: Measured | undefined,
  now: number,
  rules: Rules,
): { readonly alert: Alert; readonly transition?: Transition } {
  if (measured !== undefined) {
    const seen: Alert = { ...alert, lastData: now, seen: true, value: measured.value };
    if (now - alert.firstSeen < rules.newGroupDelay || (rules.fullWindow && !measured.full)) return { alert: seen };
    return move(seen, statusOf(alert, measured, rules), now, rules);
  }
  switch (rules.onMissing) {
    case "zero":
      // A count without points is zero.
      return move({ ...alert, value: 0 }, statusOf(alert, { value: 0 }, rules), now, rules);
    case "resolve":
      return move({ ...alert, value: undefined }, "OK", now, rules);
    case "last": {
      const { resolveAfter } = rules;
      if (resolveAfter !== undefined && now - alert.lastData >= resolveAfter) return move(alert, "OK", now, rules);
      return renotify(alert, now, rules);
    }
    default:
      // A new monitor has not seen a whole window yet.
      if (now - alert.lastData < (alert.seen ? rules.noDataAfter : windowOf(rules))) return renotify(alert, now, rules);
      return move({ ...alert, value: undefined }, "No Data", now, rules);
  }
}

function windowOf({ query: { window }, noDataAfter }: Rules): number {
  return window.type === "last" ? Math.max(window.seconds, noDataAfter) : noDataAfter;
}

function statusOf(
  alert: Alert,
  { value, recovery = value }: Pick<Measured, "value" | "recovery">,
  rules: Rules,
): Status {
  const { critical, warning, criticalRecovery, warningRecovery } = rules;
  if (isBeyond(value, critical, rules)) return "Alert";
  if (alert.status === "Alert" && criticalRecovery !== undefined && !recovered(recovery, criticalRecovery, rules))
    return "Alert";
  if (warning !== undefined && isBeyond(value, warning, rules)) return "Warn";
  if (alert.status === "Warn" && warningRecovery !== undefined && !recovered(recovery, warningRecovery, rules))
    return "Warn";
  return "OK";
}

function isBeyond(value: number, threshold: number, { query }: Rules): boolean {
  return holds(value, query.comparator, threshold);
}

/** A recovery threshold is met when it is reached: below or at it for an alert above. */
function recovered(value: number, threshold: number, { query }: Rules): boolean {
  return query.comparator.startsWith(">") ? value <= threshold : value >= threshold;
}

function move(
  alert: Alert,
  to: Status,
  now: number,
  rules: Rules,
): { readonly alert: Alert; readonly transition?: Transition } {
  const from = alert.status;
  if (from === to) return renotify(alert, now, rules);
  const cycle = alert.cycle ?? now;
  const name = nameOf(from, to, alert);
  const told = isNotified(from, to, alert, rules);
  const next: Alert = {
    ...alert,
    status: to,
    since: now,
    cycle: to === "OK" ? undefined : cycle,
    lastTold: told ? now : alert.lastTold,
    renotified: 0,
    before: to === "No Data" ? from : alert.before,
    marks: { ...alert.marks, [MARKS[to]]: now, ...(told && { notified: now }) },
  };
  return { alert: next, transition: { name, from, to, cycle, told } };
}

const MARKS = { OK: "resolved", Warn: "triggered", Alert: "triggered", "No Data": "noData" } as const;

function nameOf(from: Status, to: Status, { before }: Alert): TransitionName {
  if (to === "OK") return "Recovered";
  if (to === "No Data") return "No Data";
  const again = from === "No Data" && before === to;
  if (to === "Alert") return again ? "Re-Triggered" : "Triggered";
  return again ? "Re-Warn" : "Warn";
}

function isNotified(from: Status, to: Status, { before, seen }: Alert, { onMissing }: Rules): boolean {
  // Missing data is only told once there was some.
  if (to === "No Data") return onMissing === "notify no data" && seen;
  // A recovery by way of No Data is not notified after an alert.
  if (from === "No Data" && to === "OK") return onMissing === "notify no data" && before === "OK";
  return true;
}

function renotify(
  alert: Alert,
  now: number,
  { renotify }: Rules,
): { readonly alert: Alert; readonly transition?: Transition } {
  const { status, cycle } = alert;
  if (renotify === undefined || cycle === undefined || !renotify.statuses.has(status.toLowerCase())) return { alert };
  if (now - alert.lastTold < renotify.after || alert.renotified >= renotify.times) return { alert };
  return {
    alert: { ...alert, lastTold: now, renotified: alert.renotified + 1, marks: { ...alert.marks, notified: now } },
    transition: { name: "Renotify", from: status, to: status, cycle, told: true },
  };
}
