import { METRICS } from "../../core/names.ts";
import type { Gauge, Instruments, Taken } from "../metrics/instruments.ts";
import type { Endpoint } from "./endpoint.ts";
import { createSeconds, type Seconds } from "./export-timestamps.ts";
import type { Outbox } from "./outbox.ts";
import { toMetrics } from "./points.ts";
import type { SpanRecorder } from "./spans.ts";
import type { Slot } from "./spool/slots.ts";

/** Turns what came since the last time into exports, synchronously: what is taken is in the outbox at once. */
export interface Harvest {
  gather(want: Want): void;
  /** Whether {@link gather} would gather anything. */
  ripe(want: Want): boolean;
}

export interface Want {
  /** The process ends: what the user's meter provider would take at its next collection is ours as well. */
  readonly last: boolean;
  /** Even if there are only faults of exporting, which alone are not worth an export that would fail as well. */
  readonly faultsAlone: boolean;
  /** Even if there is nothing but a sign of life, when one is due: silence means that nobody is there. */
  readonly heartbeat: boolean;
}

export interface HarvestOptions {
  readonly instruments: Instruments;
  readonly spans: SpanRecorder | undefined;
  readonly outbox: Outbox;
  readonly endpoint: Endpoint;
  readonly resource: Readonly<Record<string, string>>;
  readonly version: string;
  readonly slot: () => Slot;
  readonly pending: () => number | undefined;
  readonly maxRequestBytes: number;
  readonly intervalMs: number;
  readonly now: () => number;
}

const SPANS_PER_REQUEST = 256;
/** How often a process that does nothing says that it is there: every minute, or sooner with short intervals. */
const HEARTBEAT_MS = 60_000;
const INTERVALS_PER_HEARTBEAT = 6;

export function createHarvest(options: HarvestOptions): Harvest {
  const { instruments, spans, outbox, endpoint, slot, pending, now } = options;
  const scope = { name: "spendfuse", version: options.version };
  const startMs = now();
  let seconds: Seconds | undefined;
  const heartbeatMs = Math.max(
    options.intervalMs,
    Math.min(HEARTBEAT_MS, INTERVALS_PER_HEARTBEAT * options.intervalMs),
  );
  let shownPending = 0;
  let shownAt = startMs;
  /** By metric, what was last sent. */
  const shown = new Map<string, string>();

  function resource(): Readonly<Record<string, string>> {
    return {
      "service.name": "unknown_service:node",
      "telemetry.sdk.language": "nodejs",
      "telemetry.sdk.name": "spendfuse",
      "telemetry.sdk.version": options.version,
      ...options.resource,
      "service.instance.id": slot().name,
    };
  }

  function gatherMetrics(last: boolean): void {
    seconds ??= createSeconds(slot().last, startMs);
    const interval = seconds.next(now(), last);
    // What is not taken now stays where it is.
    if (interval === undefined) return;
    const taken: Taken[] = [...instruments.take(last)];
    if (!instruments.watch()) {
      if (pendingChanged() || isHeartbeatDue()) taken.push(pendingGauge());
      taken.push(...shownGauges());
    }
    if (taken.length === 0) return;
    seconds.use(interval);
    slot().mark(interval.end);
    for (const data of toMetrics(taken, interval, resource(), scope, options.maxRequestBytes)) {
      outbox.add({ signal: "metrics", data }, interval.end);
    }
  }

  function isHeartbeatDue(): boolean {
    return now() - shownAt >= heartbeatMs;
  }

  function metricsRipe({ last, faultsAlone, heartbeat }: Want): boolean {
    if (endpoint.metrics === undefined || (instruments.watch() && !last)) return false;
    if (heartbeat && isHeartbeatDue()) return true;
    if (instruments.gauges().some(isNews)) return true;
    return faultsAlone ? instruments.hasNews() || pendingChanged() : instruments.hasNews("exporter");
  }

  /** A gauge that changed; and an open circuit is shown for as long as it is open. */
  function isNews({ metric, points }: Gauge): boolean {
    if (metric === METRICS.circuitOpen && points.some(({ value }) => value > 0)) return true;
    return JSON.stringify(points) !== (shown.get(metric.name) ?? "[]");
  }

  function shownGauges(): readonly Taken[] {
    const gauges = instruments.gauges();
    for (const { metric, points } of gauges) shown.set(metric.name, JSON.stringify(points));
    return gauges.flatMap(({ metric, points }) =>
      points.length > 0 ? [{ kind: "gauge", metric, points } as const] : [],
    );
  }

  function pendingChanged(): boolean {
    return shownPending !== (pending() ?? 0);
  }

  function pendingGauge(): Taken {
    shownPending = pending() ?? 0;
    shownAt = now();
    const points = [{ tags: { instance: slot().name }, value: shownPending }];
    return { kind: "gauge", metric: METRICS.spoolPending, points };
  }

  return {
    gather(want) {
      if (metricsRipe(want)) gatherMetrics(want.last);
      if (!spans || spans.waiting === 0) return;
      const ended = spans.take();
      for (let at = 0; at < ended.length; at += SPANS_PER_REQUEST) {
        const data = { resource: resource(), scope, spans: ended.slice(at, at + SPANS_PER_REQUEST) };
        outbox.add({ signal: "traces", data }, Math.floor(now() / 1_000));
      }
    },
    ripe: (want) => metricsRipe(want) || (spans !== undefined && spans.waiting > 0),
  };
}
