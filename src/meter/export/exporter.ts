import type { Instruments } from "../metrics/instruments.ts";
import { flushUser } from "../tracing/otel-global.ts";
import type { OtelTracer } from "../tracing/otel-types.ts";
import { createHarvest, type Want } from "./collect.ts";
import { createDelivery, type Deliver } from "./delivery.ts";
import { type Encoder, loadEncoder } from "./encoder.ts";
import type { Endpoint } from "./endpoint.ts";
import { createComplaints } from "./export-warnings.ts";
import { createOutbox } from "./outbox.ts";
import { createSpanRecorder } from "./spans.ts";
import { processId } from "./spool/processes.ts";
import { replay } from "./spool/replay.ts";
import type { Slot } from "./spool/slots.ts";
import { createSpool } from "./spool/spool.ts";

/** Sends what nobody else sends. */
export interface Exporter {
  /** Our own tracer; undefined when spans have nowhere to go. */
  readonly tracer: OtelTracer | undefined;
  /** Sends everything now, and has the user's providers send theirs. Resolves when it is sent or kept; never rejects. */
  flush(options?: { readonly timeoutMs?: number }): Promise<void>;
  /** Sends what is ours, and keeps what is not taken within that many milliseconds. Never rejects. */
  send(timeoutMs: number): Promise<void>;
  /** Whether {@link send} would have anything to do. */
  hasWork(): boolean;
  /** Writes everything that was not sent to the spool, synchronously. True when there is something to send in it. */
  save(): boolean;
  /** Exports that wait on disk; undefined without a spool. */
  pending(): number | undefined;
  /** Ends the timer; what is left can still be flushed or saved. */
  stop(): void;
}

export interface ExporterOptions {
  readonly instruments: Instruments;
  readonly endpoint: Endpoint;
  /** Milliseconds between exports. */
  readonly intervalMs: number;
  readonly resource: Readonly<Record<string, string>>;
  readonly version: string;
  readonly slot: () => Slot;
  /** Where failed exports are kept; undefined when there is no such place. */
  readonly spoolDir: string | undefined;
  /** Bytes of all kept exports together. */
  readonly maxSpoolBytes?: number;
  /** Bytes of one request before compression. */
  readonly maxRequestBytes?: number;
  readonly warn: (message: string) => void;
  readonly fault: (step: "exporter") => void;
  readonly now?: () => number;
  /** Loads OpenTelemetry's serializers. */
  readonly load?: () => Promise<Encoder>;
}

export const NOTHING_SENT =
  "nothing is exported: there is no OTEL_EXPORTER_OTLP_ENDPOINT, no DD_API_KEY and no OpenTelemetry meter provider";

const MAX_SPOOL_BYTES = 50_000_000;
/** Datadog takes 500 KB. */
const MAX_REQUEST_BYTES = 400_000;
const MAX_SPANS = 4_096;
/** So many do not wait for the interval to be over. */
const MANY_SPANS = 512;
const FLUSH_MS = 10_000;
/** How often we look for a provider of the user's that no call has noticed. */
const WATCH_MS = 1_000;
const CONNECT_MS = 1_000;
/** The first run is early: it sends what an earlier process left, and tells soon when something is wrong. */
const FIRST_RUN_MS = 2_000;
const MAX_BACKOFF_MS = 300_000;
/** Kept exports sent after a new one: a long outage is caught up without a burst. */
const REPLAYS = 20;

export function startExporter(options: ExporterOptions): Exporter {
  const { instruments, endpoint, intervalMs, spoolDir, warn, now = Date.now, load = loadEncoder } = options;
  const complaints = createComplaints(warn, options.fault);
  const exporting = endpoint.metrics !== undefined || endpoint.traces !== undefined;
  const spool =
    exporting && spoolDir !== undefined
      ? createSpool({
          dir: spoolDir,
          endpoint,
          process: processId(process.pid),
          maxBytes: options.maxSpoolBytes ?? MAX_SPOOL_BYTES,
          lost: complaints.lost,
        })
      : undefined;
  const pending = () => spool?.pending();
  const outbox = createOutbox(spool, {
    failed(outcome) {
      complaints.failed(outcome.reason, spool !== undefined);
      if (outcome.type === "failed") pausedUntil = now() + Math.min(outcome.retryAfterMs ?? 0, MAX_BACKOFF_MS);
    },
    rejected: complaints.rejected,
    lost: complaints.lost,
  });
  const spans = endpoint.traces && createSpanRecorder(MAX_SPANS, now, () => complaints.lost(1));
  const harvest = createHarvest({
    ...options,
    spans,
    outbox,
    pending,
    now,
    maxRequestBytes: options.maxRequestBytes ?? MAX_REQUEST_BYTES,
  });
  const underWay = new Set<AbortController>();
  let deliver: Promise<Deliver> | undefined;
  let last: Promise<void> = Promise.resolve();
  let healthy = true;
  let backoffMs = 0;
  let replayAt = 0;
  let pausedUntil = 0;
  let runAt = now() + Math.min(intervalMs, FIRST_RUN_MS);
  let saidNothing = endpoint.metrics !== undefined;

  if (endpoint.metrics) instruments.keepDurations();

  /** With `eager` what waits for better times is tried as well. */
  async function run(abort: AbortController, connectMs: number, eager: boolean): Promise<void> {
    underWay.add(abort);
    try {
      harvest.gather({ ...ours(), heartbeat: healthy });
      if (!eager && now() < pausedUntil) return outbox.save();
      const fresh = outbox.size > 0;
      if (!fresh && !eager && now() < replayAt) return;
      spool?.recover();
      if (!fresh && !pending()) return;
      deliver ??= load().then((encoder) => createDelivery(endpoint, encoder));
      const limits = { connectMs, signal: abort.signal };
      if (fresh && !(await outbox.drain(await deliver, limits))) return settle(false);
      const replayed = spool && (await replay(spool, await deliver, limits, complaints, REPLAYS));
      if (fresh || replayed !== undefined) settle(replayed !== false);
    } catch (error) {
      // The serializers could not be loaded. The next run tries again, and what is left can wait on disk.
      deliver = undefined;
      complaints.failed(error instanceof Error ? error.message : String(error), spool !== undefined);
      outbox.save();
      settle(false);
    } finally {
      underWay.delete(abort);
    }
  }

  function settle(worked: boolean): void {
    if (worked) complaints.recovered();
    backoffMs = worked ? 0 : Math.min(Math.max(intervalMs, backoffMs * 2), MAX_BACKOFF_MS);
    replayAt = now() + backoffMs;
    healthy = worked;
  }

  /** What we would send now. */
  function ours(): Want {
    return { last: false, faultsAlone: healthy, heartbeat: false };
  }

  /** One run after the other. */
  function enqueue(abort: AbortController, connectMs: number, eager: boolean): Promise<void> {
    last = last.then(() => run(abort, connectMs, eager));
    return last;
  }

  async function send(timeoutMs: number): Promise<void> {
    if (!exporting) return;
    const own = new AbortController();
    // Nothing of a request keeps the process alive, so this timer has to.
    const limit = setTimeout(() => {
      for (const abort of [own, ...underWay]) abort.abort();
    }, timeoutMs);
    await enqueue(own, timeoutMs, true);
    clearTimeout(limit);
  }

  function sayNothingSent(): void {
    if (saidNothing || instruments.watch()) return;
    saidNothing = true;
    warn(NOTHING_SENT);
  }

  function tick(): void {
    try {
      instruments.watch();
      if (now() < runAt && (spans?.waiting ?? 0) < MANY_SPANS) return;
      runAt = now() + intervalMs;
      sayNothingSent();
      if (exporting && underWay.size === 0) void enqueue(new AbortController(), CONNECT_MS, false);
    } catch (error) {
      complaints.failed(error instanceof Error ? error.message : String(error), true);
    }
  }

  const timer = setInterval(tick, Math.min(WATCH_MS, intervalMs)).unref();

  return {
    tracer: spans?.tracer,
    pending,
    send,
    async flush({ timeoutMs = FLUSH_MS } = {}) {
      let limit: NodeJS.Timeout | undefined;
      const timeout = new Promise<void>((resolve) => {
        limit = setTimeout(resolve, timeoutMs);
      });
      await Promise.all([send(timeoutMs), Promise.race([flushUser(), timeout])]);
      clearTimeout(limit);
    },
    hasWork: () => exporting && (outbox.size > 0 || harvest.ripe(ours())),
    save() {
      if (instruments.hasNews("exporter")) sayNothingSent();
      if (!exporting) return false;
      harvest.gather({ last: true, faultsAlone: false, heartbeat: false });
      outbox.save();
      if (outbox.size > 0) complaints.lost(outbox.size);
      return (pending() ?? 0) > 0;
    },
    stop() {
      clearInterval(timer);
    },
  };
}
