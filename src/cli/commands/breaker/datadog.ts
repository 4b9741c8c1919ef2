import { setTimeout } from "node:timers";
import { createLogFollower } from "../../../breaker/log-follower.ts";
import { applyMonitorStates, armingOf } from "../../../breaker/monitor-poll.ts";
import { METRICS } from "../../../core/names.ts";
import { postEntry } from "../../../datadog/circuit-events.ts";
import { readMonitorStates } from "../../../datadog/monitor-states.ts";
import { hasKeys, openRest, type Rest } from "../../../datadog/rest/rest.ts";
import type { Store } from "../../../stores/store.ts";
import { usage } from "../command.ts";

export interface DatadogWorkOptions {
  readonly store: Store;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether circuits follow the states of monitors. */
  readonly poll: boolean;
  /** How often states are read, in milliseconds. */
  readonly everyMs: number;
  readonly ttlMs: number;
  readonly tags: readonly string[];
  readonly say: (message: string) => void;
  readonly clock: () => number;
}

export const POLL_EVERY_MS = 60_000;
const LOG_EVERY_MS = 10_000;
const GAUGE = 3;

/**
 * What a breaker does with an account: events for what its store's log says, a gauge that says whether monitors can open
 * circuits, and with `poll` circuits that follow the states of monitors. Returns what ends it.
 * @throws SpendfuseError `SPENDFUSE_USAGE` when it is to poll without keys.
 */
export function startDatadogWork(options: DatadogWorkOptions): () => void {
  const { env, poll, say } = options;
  const readsMonitors = hasKeys({ env });
  if (poll && !readsMonitors) throw usage("--poll-monitors needs DD_API_KEY and DD_APP_KEY");
  if (!hasKeys({ env, needsAppKey: false })) return () => {};
  const rest = openRest({ env, needsAppKey: false, tries: 1 });
  const follower = createLogFollower(options.store, options.clock(), (entry) => postEntry(rest, entry));
  const loops = [repeat("events", LOG_EVERY_MS, say, () => follower.follow())];
  if (readsMonitors) loops.push(repeat("monitors", options.everyMs, say, createMonitorRound(rest, options)));
  else say("without DD_APP_KEY a muted monitor is not noticed");
  return () => {
    for (const stop of loops) stop();
  };
}

/** Reads the monitors once: reports whether they are armed, and with `poll` changes circuits. */
export function createMonitorRound(rest: Rest, options: Omit<DatadogWorkOptions, "env">): () => Promise<void> {
  const { store, poll, ttlMs, tags, say, clock } = options;
  let said = "";
  return async () => {
    const now = clock();
    const monitors = await readMonitorStates(rest, now / 1_000);
    if (poll) {
      const { ignored } = await applyMonitorStates(store, monitors, now, ttlMs, tags);
      for (const why of ignored) say(`an alert opened no circuit: ${why}`);
    }
    const { problem, why } = armingOf(monitors, poll);
    if (why !== said) say(why === "" ? "monitors can open circuits again" : `monitors cannot open circuits: ${why}`);
    said = why;
    await rest.ask("POST", "/api/v2/series", armedSeries(problem, now));
  };
}

function armedSeries(problem: string, now: number): object {
  const { name } = METRICS.breakerArmed;
  const points = [{ timestamp: Math.floor(now / 1_000), value: problem === "none" ? 1 : 0 }];
  return { series: [{ metric: name, type: GAUGE, points, tags: [`problem:${problem}`] }] };
}

/** Runs at once and then again and again, never two at a time. A failure is said once until it changes. */
function repeat(
  what: string,
  everyMs: number,
  say: (message: string) => void,
  run: () => Promise<unknown>,
): () => void {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let failure = "";
  async function round(): Promise<void> {
    try {
      await run();
      failure = "";
    } catch (error) {
      const { message } = error as Error;
      if (message !== failure) say(`Datadog, ${what}: ${message}`);
      failure = message;
    }
    if (!stopped) timer = setTimeout(() => void round(), everyMs).unref();
  }
  void round();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
