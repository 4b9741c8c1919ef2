import { array, type Json, object } from "../core/json.ts";
import type { Rest } from "./rest/rest.ts";

/** A monitor that opens circuits, as its account shows it. Times are in seconds since the epoch. */
export interface MonitorState {
  readonly id: string;
  readonly name: string;
  readonly query: string;
  readonly link: string;
  /** Whether nothing of it is notified. */
  readonly muted: boolean;
  /** Whether its message names a webhook. */
  readonly callsWebhook: boolean;
  readonly groups: readonly GroupState[];
}

export interface GroupState {
  /** `agent:researcher`, as `$ALERT_SCOPE` has it. */
  readonly scope: string;
  readonly status: string;
  readonly muted: boolean;
  readonly triggeredAt: number;
  readonly resolvedAt: number;
}

const PAGE = 100;
const MAX_PAGES = 20;
export const BREAKER_TAG = "breaker:on";

/** All monitors with the tag `breaker:on`, with the states of their groups. @throws ApiRefusal */
export async function readMonitorStates(rest: Rest, now: number): Promise<readonly MonitorState[]> {
  const states: MonitorState[] = [];
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const query = `monitor_tags=${BREAKER_TAG}&group_states=all&with_downtimes=true&page=${page}&page_size=${PAGE}`;
    const monitors = array(await rest.ask("GET", `/api/v1/monitor?${query}`));
    for (const monitor of monitors) states.push(stateOf(object(monitor) ?? {}, rest.app, now));
    if (monitors.length < PAGE) break;
  }
  return states;
}

function stateOf(monitor: Json, app: string, now: number): MonitorState {
  const silences = silencesOf(monitor, now);
  const muted = silences.some((scope) => scope === "*");
  const groups = Object.entries(object(object(monitor.state)?.groups) ?? {}).flatMap(([name, value]) => {
    const group = object(value);
    if (group === undefined) return [];
    const scope = typeof group.name === "string" ? group.name : name;
    const tags = scope.split(",");
    return {
      scope,
      status: String(group.status),
      muted: muted || silences.some((one) => one.split(",").every((tag) => tags.includes(tag))),
      triggeredAt: secondsOf(group.last_triggered_ts),
      resolvedAt: secondsOf(group.last_resolved_ts),
    };
  });
  const id = String(monitor.id);
  return {
    id,
    name: String(monitor.name),
    query: String(monitor.query),
    link: `${app}/monitors/${id}`,
    muted,
    callsWebhook: String(monitor.message).includes("@webhook-"),
    groups,
  };
}

/** The scopes that are silenced now, by a mute of the monitor or a downtime: `*`, or tags joined by commas. */
function silencesOf(monitor: Json, now: number): readonly string[] {
  const mutes = Object.entries(object(object(monitor.options)?.silenced) ?? {})
    .filter(([, until]) => until === null || secondsOf(until) > now)
    .map(([scope]) => scope);
  const downtimes = array(monitor.matching_downtimes).flatMap((one) => {
    const { scope, start, end } = object(one) ?? {};
    const active = secondsOf(start) <= now && (end === null || end === undefined || secondsOf(end) > now);
    return active ? [array(scope).map(String).join(",") || "*"] : [];
  });
  return [...mutes, ...downtimes];
}

function secondsOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

/**
 * Silences one group of a monitor until a time, in seconds since the epoch. A downtime, because that is how it is recorded
 * and ends by itself. @throws ApiRefusal
 */
export async function muteGroup(rest: Rest, monitor: string, scope: string, until: number): Promise<void> {
  const body = {
    monitor_id: Number(monitor),
    scope: scope.split(","),
    end: until,
    timezone: "UTC",
    message: `Muted by spendfuse: the circuit of ${scope} was reset while this monitor alerts.`,
  };
  await rest.ask("POST", "/api/v1/downtime", body);
}
