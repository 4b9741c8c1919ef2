import { NO_TAGS } from "../core/tags/tags.ts";
import type { MonitorState } from "../datadog/monitor-states.ts";
import { circuitAt } from "../limits/circuit.ts";
import { changeCircuit, type Store } from "../stores/store.ts";
import { readWebhook } from "./webhook.ts";

/** What a poll did. */
export interface Polled {
  /** Groups that alert and are not muted. */
  readonly alerting: number;
  /** Scopes whose circuit was opened, extended or shortened. */
  readonly changed: readonly string[];
  /** Why alerts opened no circuit, each reason once. */
  readonly ignored: readonly string[];
}

/** As often as monitors notify again while they alert: a circuit that was reset opens again as with a webhook. */
const RENOTIFY_MS = 600_000;

/**
 * Changes circuits by the states of monitors, as their webhooks would, for accounts that cannot call the breaker. A muted
 * monitor or group changes nothing. Rejects when the store fails.
 */
export async function applyMonitorStates(
  store: Store,
  monitors: readonly MonitorState[],
  now: number,
  ttlMs: number,
  tags: readonly string[] = NO_TAGS,
): Promise<Polled> {
  const open = await openAlerts(store, now);
  const changed: string[] = [];
  const ignored = new Set<string>();
  let alerting = 0;
  for (const monitor of monitors) {
    for (const { scope, status, muted, triggeredAt, resolvedAt } of monitor.groups) {
      if (muted) continue;
      const alerts = status === "Alert";
      if (alerts) alerting += 1;
      else if (status !== "OK" || !open.has(monitor.id)) continue;
      const body = bodyOf(monitor, scope, alerts, triggeredAt, resolvedAt, now);
      const reading = readWebhook(body, now, ttlMs, tags);
      if (reading.type !== "change") {
        if (alerts) ignored.add(`monitor ${monitor.id}, ${scope}: ${reading.why}`);
        continue;
      }
      const step = await changeCircuit(store, reading.scope, reading.event, now);
      if (step.changed) changed.push(reading.scope);
    }
  }
  return { alerting, changed, ignored: [...ignored] };
}

/** The monitors that hold a circuit open. */
async function openAlerts(store: Store, now: number): Promise<ReadonlySet<string>> {
  const circuits = (await store.circuits()).filter((circuit) => circuitAt(circuit, now).state === "open");
  return new Set(circuits.flatMap(({ alerts }) => Object.keys(alerts)));
}

/** The webhook that Datadog would have sent last. */
function bodyOf(
  { id, name, query, link }: MonitorState,
  scope: string,
  alerts: boolean,
  triggeredAt: number,
  resolvedAt: number,
  now: number,
): object {
  const triggered = triggeredAt * 1_000;
  const isNew = now - triggered < RENOTIFY_MS;
  const again = Math.max(triggered, Math.floor(now / RENOTIFY_MS) * RENOTIFY_MS);
  const at = alerts ? (isNew ? triggered : again) : resolvedAt * 1_000 || now;
  const transition = alerts ? (isNew ? "Triggered" : "Renotify") : "Recovered";
  return {
    v: 1,
    monitor: id,
    event: `poll ${at}`,
    transition,
    cycle: String(triggeredAt),
    scope,
    tags: "",
    at,
    org: "",
    link: `${link}?group=${encodeURIComponent(scope)}`,
    title: name,
    query,
  };
}

/** Why Datadog's monitors cannot open circuits: `muted`, `disarmed`; `none` when they can. */
export type Problem = "none" | "muted" | "disarmed";

/** @param polled Whether monitor states are polled, so that no webhook is needed. */
export function armingOf(
  monitors: readonly MonitorState[],
  polled: boolean,
): { readonly problem: Problem; readonly why: string } {
  if (monitors.length === 0) return { problem: "disarmed", why: "no monitor has the tag breaker:on" };
  const silent = polled ? [] : monitors.filter(({ callsWebhook }) => !callsWebhook);
  if (silent.length > 0) return { problem: "disarmed", why: `no webhook in the message of ${namesOf(silent)}` };
  const muted = monitors.filter((monitor) => monitor.muted);
  if (muted.length > 0) return { problem: "muted", why: `muted: ${namesOf(muted)}` };
  return { problem: "none", why: "" };
}

function namesOf(monitors: readonly MonitorState[]): string {
  return monitors.map(({ name, id }) => `"${name}" (${id})`).join(", ");
}
