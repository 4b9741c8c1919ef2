import type { Instruments } from "../metrics/instruments.ts";
import { flushUser } from "../tracing/otel-global.ts";
import type { OtelTracer } from "../tracing/otel-types.ts";
import { createCollector } from "./collect.ts";
import { type Encoder, loadEncoder } from "./encoder.ts";
import type { Endpoint, Temporality } from "./endpoint.ts";
import { type ExportState, enqueueRun, MAX_BACKOFF_MS, wantNow } from "./export-run.ts";
import { createExportWarnings, type ExportWarnings } from "./export-warnings.ts";
import { createOutbox } from "./outbox.ts";
import { createSpanRecorder } from "./spans.ts";
import { processId } from "./spool/processes.ts";
import type { Slot } from "./spool/slots.ts";
import { createSpool, type Spool } from "./spool/spool.ts";

/** Exports what no OpenTelemetry provider of the user's exports. */
export interface Exporter {
  /** Our own tracer; undefined when spans have nowhere to go. */
  readonly tracer: OtelTracer | undefined;
  /** Sends everything now, and flushes the user's providers. Resolves when it is sent or spooled; never rejects. */
  flush(options?: { readonly timeoutMs?: number }): Promise<void>;
  /** Sends our own data, and spools what is not accepted within that many milliseconds. Never rejects. */
  send(timeoutMs: number): Promise<void>;
  /** Whether {@link send} would have anything to do. */
  hasWork(): boolean;
  /** Writes unsent data to the spool, synchronously. True when the spool holds something to send. */
  save(): boolean;
  /** Exports in the spool; undefined without a spool. */
  pending(): number | undefined;
  /** Ends the timer; unsent data can still be flushed or saved. */
  stop(): void;
}

export interface ExporterOptions {
  readonly instruments: Instruments;
  readonly endpoint: Endpoint;
  /** Milliseconds between exports. */
  readonly intervalMs: number;
  /** Default `delta`. */
  readonly temporality?: Temporality;
  readonly resource: Readonly<Record<string, string>>;
  readonly version: string;
  readonly slot: () => Slot;
  /** Where failed exports are kept; undefined where there is no such directory. */
  readonly spoolDir: string | undefined;
  /** Maximum total bytes of the spool. */
  readonly maxSpoolBytes?: number;
  /** Maximum bytes of one request before compression. */
  readonly maxRequestBytes?: number;
  /** What is logged when nothing is exported. Default {@link NOTHING_SENT}. */
  readonly unsent?: string | undefined;
  readonly warn: (message: string) => void;
  readonly fault: (step: "exporter") => void;
  readonly now?: () => number;
  /** Loads OpenTelemetry's serializers. */
  readonly load?: () => Promise<Encoder>;
}

export const NOTHING_SENT =
  "nothing is exported: there is no OTEL_EXPORTER_OTLP_ENDPOINT, no DD_API_KEY and no OpenTelemetry meter provider";

const MAX_SPOOL_BYTES = 50_000_000;
/** Datadog accepts 500 KB. */
const MAX_REQUEST_BYTES = 400_000;
const MAX_SPANS = 4_096;
/** This many are sent before the interval ends. */
const MANY_SPANS = 512;
const FLUSH_MS = 10_000;
/** How often to look for a provider of the user's that no call has noticed. */
const WATCH_MS = 1_000;
const CONNECT_MS = 1_000;
/** The first run is early: it sends what an earlier process left, and reports errors soon. */
const FIRST_RUN_MS = 2_000;

interface ExporterState extends ExportState {
  readonly exporting: boolean;
  /** When the next run is due, in milliseconds since the epoch. */
  runAt: number;
  /** {@link NOTHING_SENT} was logged, or does not apply. */
  warnedUnsent: boolean;
}

export function startExporter(options: ExporterOptions): Exporter {
  const state = createState(options);
  if (options.endpoint.metrics) options.instruments.keepDurations();
  const timer = setInterval(() => tick(state, options), Math.min(WATCH_MS, options.intervalMs)).unref();
  return {
    tracer: state.spans?.tracer,
    pending: () => state.spool?.pending(),
    send: (timeoutMs) => send(state, timeoutMs),
    flush: ({ timeoutMs = FLUSH_MS } = {}) => flush(state, timeoutMs),
    hasWork: () => state.exporting && (state.outbox.size > 0 || state.collector.hasWork(wantNow(state))),
    save: () => save(state, options),
    stop() {
      clearInterval(timer);
    },
  };
}

function createState(options: ExporterOptions): ExporterState {
  const { endpoint, intervalMs, now = Date.now, load = loadEncoder } = options;
  const warnings = createExportWarnings(options.warn, options.fault);
  const exporting = endpoint.metrics !== undefined || endpoint.traces !== undefined;
  const spool = exporting ? openSpool(options, warnings) : undefined;
  const outbox = createOutbox(spool, {
    failed(outcome) {
      warnings.failed(outcome.reason, spool !== undefined);
      if (outcome.type === "failed") state.pausedUntil = now() + Math.min(outcome.retryAfterMs ?? 0, MAX_BACKOFF_MS);
    },
    rejected: warnings.rejected,
    lost: warnings.lost,
  });
  const spans = endpoint.traces && createSpanRecorder(MAX_SPANS, now, () => warnings.lost(1));
  const pending = () => spool?.pending();
  const maxRequestBytes = options.maxRequestBytes ?? MAX_REQUEST_BYTES;
  const collector = createCollector({
    ...options,
    temporality: options.temporality ?? "delta",
    spans,
    outbox,
    pending,
    now,
    maxRequestBytes,
    onInvalid: warnings.invalid,
  });
  const state: ExporterState = {
    endpoint,
    intervalMs,
    now,
    load,
    warnings,
    spool,
    outbox,
    spans,
    collector,
    exporting,
    active: new Set(),
    deliver: undefined,
    last: Promise.resolve(),
    healthy: true,
    backoffMs: 0,
    replayAt: 0,
    pausedUntil: 0,
    runAt: now() + Math.min(intervalMs, FIRST_RUN_MS),
    warnedUnsent: endpoint.metrics !== undefined,
  };
  return state;
}

function openSpool(
  { spoolDir, endpoint, maxSpoolBytes = MAX_SPOOL_BYTES }: ExporterOptions,
  { lost }: ExportWarnings,
): Spool | undefined {
  if (spoolDir === undefined) return undefined;
  return createSpool({ dir: spoolDir, endpoint, process: processId(process.pid), maxBytes: maxSpoolBytes, lost });
}

function tick(state: ExporterState, options: ExporterOptions): void {
  try {
    options.instruments.watch();
    if (state.now() < state.runAt && (state.spans?.waiting ?? 0) < MANY_SPANS) return;
    state.runAt = state.now() + state.intervalMs;
    warnNothingSent(state, options);
    if (state.exporting && state.active.size === 0) void enqueueRun(state, new AbortController(), CONNECT_MS, false);
  } catch (error) {
    state.warnings.failed(error instanceof Error ? error.message : String(error), true);
  }
}

function warnNothingSent(state: ExporterState, { instruments, warn, unsent = NOTHING_SENT }: ExporterOptions): void {
  if (state.warnedUnsent || instruments.watch()) return;
  state.warnedUnsent = true;
  warn(unsent);
}

async function flush(state: ExporterState, timeoutMs: number): Promise<void> {
  let limit: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    limit = setTimeout(resolve, timeoutMs);
  });
  await Promise.all([send(state, timeoutMs), Promise.race([flushUser(), timeout])]);
  clearTimeout(limit);
}

async function send(state: ExporterState, timeoutMs: number): Promise<void> {
  if (!state.exporting) return;
  const own = new AbortController();
  // A request does not keep the process alive, so this timer has to.
  const limit = setTimeout(() => {
    for (const abort of [own, ...state.active]) abort.abort();
  }, timeoutMs);
  await enqueueRun(state, own, timeoutMs, true);
  clearTimeout(limit);
}

function save(state: ExporterState, options: ExporterOptions): boolean {
  const { outbox, spool } = state;
  if (options.instruments.hasNews("exporter")) warnNothingSent(state, options);
  if (!state.exporting) return false;
  state.collector.collect({ last: true, faultsAlone: false, heartbeat: false });
  outbox.save();
  if (outbox.size > 0) state.warnings.lost(outbox.size);
  return (spool?.pending() ?? 0) > 0;
}
