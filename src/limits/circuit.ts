import { type Json, object, parse } from "../core/json.ts";

/** Who opened a circuit. */
export type TripSource = "datadog" | "alertmanager" | "budget" | "vendor_cap" | "operator";

/** The latest alert of one monitor for one scope, so that duplicate and late webhooks have no effect. */
export interface AlertMark {
  readonly cycle: string;
  readonly transition: string;
  readonly event: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

interface Known {
  /** `agent:researcher`, or several joined by commas in alphabetical order: `agent:a,team:b`. */
  readonly scope: string;
  /** Counts the changes; a store takes a change only on the revision it was made from. */
  readonly rev: number;
  /** Milliseconds since the epoch at which this state began. */
  readonly since: number;
  /** By monitor. */
  readonly alerts: Readonly<Record<string, AlertMark>>;
}

interface Tripped extends Known {
  readonly source: TripSource;
  readonly reason: string;
  /** Who did it: a monitor, an operator, a process. */
  readonly by: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
  /** The end requested by sources that are no alert: a recovery does not shorten the trip below it. */
  readonly floor?: number;
}

/** The fuse of one scope. */
export type Circuit =
  | (Known & { readonly state: "closed" })
  | (Tripped & { readonly state: "open" })
  /** The trip has expired: some calls may try, until `until`. */
  | (Tripped & { readonly state: "probing"; readonly probes: number });

/** The latest time that can be written as a date, in milliseconds since the epoch. */
const MAX_TIME = 8.64e15;

/** A circuit as a store or a breaker keeps it, without marks that are broken; undefined for anything else. */
export function asCircuit(value: unknown): Circuit | undefined {
  const circuit = object(value);
  if (circuit === undefined || typeof circuit.scope !== "string" || !Number.isSafeInteger(circuit.rev))
    return undefined;
  const alerts = object(circuit.alerts);
  if (!isTime(circuit.since) || alerts === undefined) return undefined;
  if (circuit.state !== "closed" && !isTripped(circuit)) return undefined;
  const marks = Object.entries(alerts);
  if (marks.every(([, one]) => isMark(one))) return circuit as unknown as Circuit;
  const sound = Object.fromEntries(marks.filter(([, one]) => isMark(one)));
  return { ...(circuit as unknown as Circuit), alerts: sound as Circuit["alerts"] };
}

/** The circuit of a scope in a store's JSON, as {@link asCircuit}; undefined for that of another scope too. */
export function circuitIn(json: string, scope: string): Circuit | undefined {
  const circuit = asCircuit(parse(json));
  return circuit?.scope === scope ? circuit : undefined;
}

function isMark(value: unknown): boolean {
  const { cycle, transition, event, at } = object(value) ?? {};
  return isTime(at) && [cycle, transition, event].every((text) => typeof text === "string");
}

function isTripped({ state, source, reason, by, until, probes }: Json): boolean {
  const isKnown = state === "open" || (state === "probing" && Number.isSafeInteger(probes));
  return isKnown && isTime(until) && [source, reason, by].every((text) => typeof text === "string");
}

function isTime(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && value <= MAX_TIME;
}

export type CircuitEvent =
  | {
      readonly type: "trip";
      readonly source: TripSource;
      readonly reason: string;
      readonly by: string;
      readonly ttlMs: number;
      readonly alert?: readonly [monitor: string, mark: AlertMark];
    }
  /** The alert is over: the circuit may close sooner, but not at once. */
  | { readonly type: "recover"; readonly by: string; readonly alert: readonly [monitor: string, mark: AlertMark] }
  | { readonly type: "reset"; readonly by: string; readonly reason: string }
  /** A call asks to be one of the probes. */
  | { readonly type: "probe" };

/** The result of an event. `changed` is false when the circuit stays as it is; `why` is the reason in words. */
export interface CircuitStep {
  readonly circuit: Circuit;
  readonly changed: boolean;
  readonly why: string;
}

/** Calls that may try while probing. */
export const PROBES = 3;
/** How long probing lasts. Without another trip in this time, the circuit closes. */
export const PROBING_MS = 60_000;
/** A recovered circuit stays open for this long, because a recovery may only mean that nothing was sent. */
export const HOLD_MS = 60_000;
/** An alert may be that much older than the circuit that it opened: webhooks are sent again. */
const ON_THE_WAY_MS = 600_000;
/** An alert that notified this lately is taken to last: monitors notify again every ten minutes. */
const ALERTS_LATELY_MS = 3_600_000;
/** The transition of a mark whose alert is over. */
export const RECOVERED = "Recovered";
const MAX_MARKS = 20;

export function closedCircuit(scope: string): Circuit {
  return { state: "closed", scope, rev: 0, since: 0, alerts: {} };
}

/** The circuit at `now`: an open one that has expired is probing, and then closed. */
export function circuitAt(circuit: Circuit, now: number): Circuit {
  if (circuit.state === "open" && circuit.until <= now) {
    const probing = { ...circuit, state: "probing", probes: PROBES, since: circuit.until } as const;
    return circuitAt({ ...probing, until: circuit.until + PROBING_MS }, now);
  }
  if (circuit.state === "probing" && circuit.until <= now) {
    const { scope, rev, alerts, until } = circuit;
    return { state: "closed", scope, rev, alerts, since: until };
  }
  return circuit;
}

/** The life of a circuit. */
export function nextCircuit(before: Circuit, event: CircuitEvent, now: number): CircuitStep {
  const circuit = circuitAt(before, now);
  const { scope, rev } = before;
  const stay = (why: string): CircuitStep => ({ circuit, changed: false, why });
  const alerts = "alert" in event && event.alert ? mark(circuit.alerts, event.alert) : circuit.alerts;
  if (alerts === undefined) return stay("an alert that was seen already, or is older than one that was");
  const known = { scope, rev: rev + 1, alerts };
  switch (event.type) {
    case "trip": {
      const { source, reason, by, ttlMs } = event;
      const until = now + ttlMs;
      const isAlert = source === "datadog" || source === "alertmanager";
      const asked = isAlert ? {} : { floor: until };
      if (circuit.state !== "open") {
        const tripped: Circuit = { ...known, state: "open", source, reason, by, since: now, until, ...asked };
        return { circuit: tripped, changed: true, why: "tripped" };
      }
      // The longer one stays: a short trip must not cut an operator's long one.
      const longer = until > circuit.until && { source, reason, by, until };
      const higher = until > (circuit.floor ?? 0) && asked;
      const why = longer ? "extended" : "open already, and for longer";
      if (!longer && event.alert === undefined && (!higher || isAlert)) return stay(why);
      return { circuit: { ...circuit, ...longer, ...higher, ...known }, changed: true, why };
    }
    case "recover": {
      const marked = { ...circuit, ...known };
      if (marked.state !== "open") return { circuit: marked, changed: true, why: `${marked.state} already` };
      const soon = Math.max(Math.max(now, circuit.since) + HOLD_MS, marked.floor ?? 0);
      if (isAlerting(circuit, event.alert[0])) return { circuit: marked, changed: true, why: "another monitor alerts" };
      if (soon >= marked.until) return { circuit: marked, changed: true, why: "not shortened" };
      return { circuit: { ...marked, until: soon }, changed: true, why: "shortened" };
    }
    case "reset": {
      if (circuit.state === "closed") return stay("closed already");
      return { circuit: { ...known, state: "closed", since: now }, changed: true, why: "reset" };
    }
    case "probe": {
      if (circuit.state !== "probing") return stay(circuit.state);
      if (circuit.probes === 0) return stay("no probe left");
      const probing: Circuit = { ...circuit, ...known, probes: circuit.probes - 1 };
      return { circuit: probing, changed: true, why: "probing" };
    }
  }
}

/** Whether another monitor tripped this opening of the circuit, and has not recovered. */
function isAlerting({ alerts, since }: Circuit, recovered: string): boolean {
  return Object.entries(alerts).some(
    ([monitor, { transition, at }]) => monitor !== recovered && transition !== RECOVERED && at >= since - ON_THE_WAY_MS,
  );
}

/** The monitors that alerted last and have not recovered, as far as their notifications tell: the latest first. */
export function alertingMonitors(circuit: Circuit, now: number): readonly string[] {
  const since = circuit.state === "closed" ? now - ALERTS_LATELY_MS : circuit.since - ON_THE_WAY_MS;
  return Object.entries(circuit.alerts)
    .filter(([, { transition, at }]) => transition !== RECOVERED && at >= since)
    .sort(([, a], [, b]) => b.at - a.at)
    .map(([monitor]) => monitor);
}

/** The marks with this one, or undefined when it is not newer. */
function mark(
  marks: Readonly<Record<string, AlertMark>>,
  [monitor, fresh]: readonly [string, AlertMark],
): Readonly<Record<string, AlertMark>> | undefined {
  const last = Object.hasOwn(marks, monitor) ? marks[monitor] : undefined;
  if (last !== undefined) {
    if (fresh.at < last.at) return undefined;
    const same = fresh.cycle === last.cycle && fresh.transition === last.transition;
    if (same && (fresh.event === last.event || fresh.at === last.at)) return undefined;
  }
  const rest = Object.entries(marks).filter(([name]) => name !== monitor);
  rest.sort(([, a], [, b]) => b.at - a.at);
  return Object.fromEntries([[monitor, fresh] as const, ...rest].slice(0, MAX_MARKS));
}
