import { METRICS } from "../../core/names.ts";
import { NONE_SHOWN, type ShownPoints, withEnded } from "../metrics/ended-points.ts";
import type { Gauge, Instruments, Taken } from "../metrics/instruments.ts";
import type { Endpoint, Temporality } from "./endpoint.ts";
import { createSeconds, type Seconds } from "./export-timestamps.ts";
import type { Outbox } from "./outbox.ts";
import { toMetrics, withoutInvalid } from "./points.ts";
import type { SpanRecorder } from "./spans.ts";
import type { Slot } from "./spool/slots.ts";
import { createDeltas, createTotals, type Totals } from "./totals.ts";

/** Turns data since the last collection into exports in the outbox, synchronously: none is lost in between. */
export interface Collector {
  collect(want: Want): void;
  /** Whether {@link collect} would add an export. */
  hasWork(want: Want): boolean;
}

export interface Want {
  /** The process ends: includes what the user's meter provider would have collected next. */
  readonly last: boolean;
  /** Also when there are only faults of exporting: while exports fail, those are not worth another one. */
  readonly faultsAlone: boolean;
  /** Also when only a heartbeat is due: silence means that the process is gone. */
  readonly heartbeat: boolean;
}

export interface CollectorOptions {
  readonly instruments: Instruments;
  readonly spans: SpanRecorder | undefined;
  readonly outbox: Outbox;
  readonly endpoint: Endpoint;
  readonly resource: Readonly<Record<string, string>>;
  readonly version: string;
  readonly slot: () => Slot;
  readonly pending: () => number | undefined;
  readonly maxRequestBytes: number;
  readonly temporality: Temporality;
  /** A point has a value that is no number: it is left out, because a receiver would refuse all of its request. */
  readonly onInvalid: (metric: string) => void;
  readonly intervalMs: number;
  readonly now: () => number;
}

const SPANS_PER_REQUEST = 256;
/** Interval of the heartbeats of an idle process: a minute, or less with short export intervals. */
const HEARTBEAT_MS = 60_000;
const INTERVALS_PER_HEARTBEAT = 6;

interface CollectorState {
  readonly options: CollectorOptions;
  readonly scope: { readonly name: string; readonly version: string };
  readonly startMs: number;
  readonly heartbeatMs: number;
  /** Created at the first collection: it reads the slot. */
  seconds: Seconds | undefined;
  readonly totals: Totals;
  /** The value and the time of the last gauge of spooled exports, which is the heartbeat. */
  sentPending: number;
  sentAt: number;
  /** The points last sent of each gauge, by metric. */
  readonly sentGauges: Map<string, ShownPoints>;
}

export function createCollector(options: CollectorOptions): Collector {
  const { spans, intervalMs } = options;
  const startMs = options.now();
  const state: CollectorState = {
    options,
    scope: { name: "spendfuse", version: options.version },
    startMs,
    heartbeatMs: Math.max(intervalMs, Math.min(HEARTBEAT_MS, INTERVALS_PER_HEARTBEAT * intervalMs)),
    seconds: undefined,
    totals: options.temporality === "cumulative" ? createTotals() : createDeltas(),
    sentPending: 0,
    sentAt: startMs,
    sentGauges: new Map(),
  };
  return {
    collect(want) {
      if (hasMetrics(state, want)) collectMetrics(state, want.last);
      if (spans !== undefined && spans.waiting > 0) collectSpans(state, spans);
    },
    hasWork: (want) => hasMetrics(state, want) || (spans !== undefined && spans.waiting > 0),
  };
}

function hasMetrics(state: CollectorState, { last, faultsAlone, heartbeat }: Want): boolean {
  const { instruments, endpoint } = state.options;
  if (endpoint.metrics === undefined || (instruments.watch() && !last)) return false;
  if (heartbeat && isHeartbeatDue(state)) return true;
  if (instruments.gauges().some((gauge) => isNews(state, gauge))) return true;
  return faultsAlone ? instruments.hasNews() || hasPendingChanged(state) : instruments.hasNews("exporter");
}

function collectMetrics(state: CollectorState, last: boolean): void {
  const { instruments, outbox, slot, now, maxRequestBytes, temporality } = state.options;
  // The zeros with which totals begin need a second of their own after those of the slot's last holder.
  state.seconds ??= createSeconds(slot().last + (temporality === "cumulative" ? 1 : 0), state.startMs);
  const interval = state.seconds.next(now(), last);
  // Too early: the data stays in the instruments.
  if (interval === undefined) return;
  const taken: Taken[] = [...instruments.take(last)];
  if (!instruments.watch()) {
    if (hasPendingChanged(state) || isHeartbeatDue(state)) taken.push(takePending(state));
    taken.push(...takeGauges(state));
  }
  if (taken.length === 0) return;
  state.seconds.use(interval);
  slot().mark(interval.end);
  const valid = taken.map((one) => withoutInvalid(one, state.options.onInvalid));
  const sent = state.totals.add(valid, interval);
  for (const data of toMetrics(sent, interval, resourceOf(state), state.scope, maxRequestBytes)) {
    outbox.add({ signal: "metrics", data }, interval.end);
  }
}

function collectSpans(state: CollectorState, spans: SpanRecorder): void {
  const { outbox, now } = state.options;
  const ended = spans.take();
  for (let at = 0; at < ended.length; at += SPANS_PER_REQUEST) {
    const batch = ended.slice(at, at + SPANS_PER_REQUEST);
    const data = { resource: resourceOf(state), scope: state.scope, spans: batch };
    outbox.add({ signal: "traces", data }, Math.floor(now() / 1_000));
  }
}

function resourceOf({ options }: CollectorState): Readonly<Record<string, string>> {
  return {
    "service.name": "unknown_service:node",
    "telemetry.sdk.language": "nodejs",
    "telemetry.sdk.name": "spendfuse",
    "telemetry.sdk.version": options.version,
    ...options.resource,
    "service.instance.id": options.slot().name,
  };
}

function isHeartbeatDue({ options, sentAt, heartbeatMs }: CollectorState): boolean {
  return options.now() - sentAt >= heartbeatMs;
}

/** Whether a gauge changed; an open circuit is sent for as long as it is open. */
function isNews({ sentGauges }: CollectorState, { metric, points }: Gauge): boolean {
  const before = sentGauges.get(metric.name) ?? NONE_SHOWN;
  const now = withEnded(metric, points, before);
  if (metric === METRICS.circuitOpen && now.points.length > 0) return true;
  return JSON.stringify(now.points) !== JSON.stringify([...before.values()]);
}

function takeGauges({ options, sentGauges }: CollectorState): readonly Taken[] {
  return options.instruments.gauges().flatMap(({ metric, points: current }): readonly Taken[] => {
    const { points, shown } = withEnded(metric, current, sentGauges.get(metric.name) ?? NONE_SHOWN);
    sentGauges.set(metric.name, shown);
    return points.length > 0 ? [{ kind: "gauge", metric, points }] : [];
  });
}

function hasPendingChanged({ options, sentPending }: CollectorState): boolean {
  return sentPending !== (options.pending() ?? 0);
}

function takePending(state: CollectorState): Taken {
  const { pending, now, slot } = state.options;
  state.sentPending = pending() ?? 0;
  state.sentAt = now();
  const points = [{ tags: { process: slot().name }, value: state.sentPending }];
  return { kind: "gauge", metric: METRICS.spoolPending, points };
}
