import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { entryOf, workingDirectory } from "../config/file.ts";
import type { Faults } from "../core/faults.ts";
import { readIntake } from "../datadog/intake.ts";
import { foreignExporter, readOtel } from "../meter/export/endpoint.ts";
import { installExit } from "../meter/export/exit.ts";
import { startExporter } from "../meter/export/exporter.ts";
import type { Slot } from "../meter/export/spool/slots.ts";
import type { Instruments } from "../meter/metrics/instruments.ts";
import type { OtelTracer } from "../meter/tracing/otel-types.ts";
import { nameOfApp } from "../package/app-name.ts";

/** Our own export, as long as the user has no OpenTelemetry of their own. */
export interface Telemetry {
  readonly tracer: OtelTracer | undefined;
  /** Exports that wait on disk; undefined without a spool. */
  pending(): number | undefined;
  /** Sends everything, or keeps it. Never rejects. */
  flush(): Promise<void>;
  stop(): Promise<void>;
  /** Uninstalls everything without sending, when it was opened too early. */
  discard(): void;
}

export interface TelemetryOptions {
  readonly config: Config;
  readonly version: string;
  readonly instruments: Instruments;
  readonly faults: Faults;
  readonly slot: { get(): Slot; release(): void };
  /** Where what outlives the process is kept; undefined when there is no such place. */
  readonly stateDir: string | undefined;
  readonly warn: (message: string) => void;
  /** Settles open calls and prices deferred ones, before the last interval is collected. Synchronous. */
  readonly settle: () => void;
  /** Is called when the process ends, after all of it is settled. Synchronous. */
  readonly last: () => void;
}

/** Where the environment says that metrics and spans go. */
function readTarget(env: Config["env"]) {
  const standard = readOtel(env);
  const datadog = standard.disabled || standard.endpoint.metrics ? undefined : readIntake(env);
  return { standard, datadog, endpoint: { ...datadog?.endpoint, ...standard.endpoint } };
}

/** Whether nobody has said where metrics go, nor that they shall go nowhere. */
export function lacksTarget({ env }: Config): boolean {
  const { standard, endpoint } = readTarget(env);
  return !standard.disabled && endpoint.metrics === undefined;
}

/** Why nothing is exported, where a variable of OpenTelemetry says so. */
function whyUnsent(env: Config["env"]): string | undefined {
  const exporter = foreignExporter(env);
  if (exporter === undefined) return undefined;
  return `nothing is exported: OTEL_METRICS_EXPORTER is ${exporter}, and only otlp, or an OpenTelemetry meter provider of the app, takes our metrics`;
}

/** Wires the exporter to where the environment says; the standard `OTEL_*` endpoint comes before Datadog's intake. */
export function openTelemetry(options: TelemetryOptions): Telemetry {
  const { config, instruments, faults, slot, stateDir, warn } = options;
  const { standard, datadog, endpoint } = readTarget(config.env);
  for (const note of [...standard.notes, ...(datadog?.notes ?? [])]) warn(note);
  const spoolDir = stateDir && join(stateDir, "spool");
  const exporter = startExporter({
    instruments,
    endpoint,
    intervalMs: standard.intervalMs,
    // Datadog's intake takes deltas only.
    temporality: datadog?.endpoint.metrics ? "delta" : standard.temporality,
    resource: {
      "service.name": nameOfApp(entryOf(config.env), workingDirectory()) ?? "unknown_service:node",
      ...datadog?.resource,
      ...standard.resource,
    },
    version: options.version,
    slot: slot.get,
    spoolDir,
    unsent: whyUnsent(config.env),
    warn: standard.disabled ? () => {} : warn,
    fault: (step) => faults.report(step),
  });
  const sends = spoolDir !== undefined && config.env.SPENDFUSE_EXIT_SENDER?.trim() !== "0";
  const uninstall = installExit({
    exporter,
    settle: options.settle,
    last: options.last,
    release: slot.release,
    sender: sends ? { endpoint, spoolDir, env: config.env } : undefined,
  });
  function discard(): void {
    exporter.stop();
    uninstall();
  }
  return {
    tracer: exporter.tracer,
    pending: exporter.pending,
    flush: () => exporter.flush(),
    async stop() {
      await exporter.flush();
      discard();
    },
    discard,
  };
}
