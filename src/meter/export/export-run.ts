import type { Collector, Want } from "./collect.ts";
import { createDelivery, type Deliver } from "./delivery.ts";
import type { Encoder } from "./encoder.ts";
import type { Endpoint } from "./endpoint.ts";
import type { ExportWarnings } from "./export-warnings.ts";
import type { Outbox } from "./outbox.ts";
import type { PostLimits } from "./post.ts";
import type { SpanRecorder } from "./spans.ts";
import { replay } from "./spool/replay.ts";
import type { Spool } from "./spool/spool.ts";

/** What runs of the exporter share. Times are in milliseconds since the epoch. */
export interface ExportState {
  readonly endpoint: Endpoint;
  /** Milliseconds between runs. */
  readonly intervalMs: number;
  readonly now: () => number;
  /** Loads OpenTelemetry's serializers. */
  readonly load: () => Promise<Encoder>;
  readonly warnings: ExportWarnings;
  readonly spool: Spool | undefined;
  readonly outbox: Outbox;
  readonly spans: SpanRecorder | undefined;
  readonly collector: Collector;
  /** Runs that have begun and not ended. */
  readonly active: Set<AbortController>;
  deliver: Promise<Deliver> | undefined;
  /** Settles when the last queued run has ended. */
  last: Promise<void>;
  /** The last run that sent something succeeded. */
  healthy: boolean;
  backoffMs: number;
  /** Spooled exports are not sent before this time. */
  replayAt: number;
  /** The receiver asked for no requests before this time. */
  pausedUntil: number;
}

export const MAX_BACKOFF_MS = 300_000;
/** Spooled exports sent after a new one: a backlog is sent without a burst. */
const REPLAYS = 20;

/**
 * Runs after those that are queued already. `eager` ignores backoff and pauses. Never rejects: what could not be sent
 * goes to the spool.
 */
export function enqueueRun(
  state: ExportState,
  abort: AbortController,
  connectMs: number,
  eager: boolean,
): Promise<void> {
  state.last = state.last.then(() => run(state, abort, connectMs, eager));
  return state.last;
}

/** What a run would collect now, heartbeat aside. */
export function wantNow({ healthy }: ExportState): Want {
  return { last: false, faultsAlone: healthy, heartbeat: false };
}

async function run(state: ExportState, abort: AbortController, connectMs: number, eager: boolean): Promise<void> {
  const { active, outbox, collector } = state;
  active.add(abort);
  try {
    collector.collect({ ...wantNow(state), heartbeat: state.healthy });
    if (!eager && state.now() < state.pausedUntil) return outbox.save();
    await sendAll(state, { connectMs, signal: abort.signal }, eager);
  } catch (error) {
    // The serializers could not be loaded. The next run tries again, and unsent data can wait on disk.
    state.deliver = undefined;
    state.warnings.failed(error instanceof Error ? error.message : String(error), state.spool !== undefined);
    outbox.save();
    settle(state, false);
  } finally {
    active.delete(abort);
  }
}

/** Sends new exports, then spooled ones. */
async function sendAll(state: ExportState, limits: PostLimits, eager: boolean): Promise<void> {
  const { outbox, spool, endpoint, warnings } = state;
  const fresh = outbox.size > 0;
  if (!fresh && !eager && state.now() < state.replayAt) return;
  spool?.recover();
  if (!fresh && !spool?.pending()) return;
  state.deliver ??= state.load().then((encoder) => createDelivery(endpoint, encoder));
  if (fresh && !(await outbox.drain(await state.deliver, limits))) return settle(state, false);
  const replayed = spool && (await replay(spool, await state.deliver, limits, warnings, REPLAYS));
  if (fresh || replayed !== undefined) settle(state, replayed !== false);
}

function settle(state: ExportState, worked: boolean): void {
  if (worked) state.warnings.recovered();
  state.backoffMs = worked ? 0 : Math.min(Math.max(state.intervalMs, state.backoffMs * 2), MAX_BACKOFF_MS);
  state.replayAt = state.now() + state.backoffMs;
  state.healthy = worked;
}
