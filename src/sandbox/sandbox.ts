import { setTimeout as wait } from "node:timers/promises";
import { type Account, createAccount } from "./account.ts";
import type { Clock } from "./clock.ts";
import { createEngine, type Engine } from "./engine.ts";
import { readRules } from "./monitor/rules.ts";
import { statesOf } from "./monitor/states.ts";
import { createSeriesStore, type SeriesStore } from "./series/series.ts";
import { deliver, post, type Send } from "./webhook.ts";

/** A local stand-in for Datadog, without its server: what it holds, and its monitors. */
export interface Sandbox {
  readonly clock: Clock;
  readonly store: SeriesStore;
  readonly account: Account;
  readonly engine: Engine;
  /** Evaluates what is due by now. */
  tick(): Promise<void>;
  /** Advances a simulated clock minute by minute. */
  advance(seconds: number): Promise<void>;
}

export interface SandboxOptions {
  readonly clock: Clock;
  /** Posts a webhook; over HTTP when absent. */
  readonly send?: Send;
  readonly maxPoints?: number;
  /** See `EngineOptions`: for a simulated clock that is far from the receiver's. */
  readonly webhookDate?: (at: number) => number;
}

const MINUTE_S = 60;
/** Before a webhook is tried a second time; doubled each time after that. */
const RETRY_MS = 1_000;

export function createSandbox(options: SandboxOptions): Sandbox {
  const { clock, send = post } = options;
  const now = (): number => clock.now();
  const store: SeriesStore = createSeriesStore({
    now,
    isHistorical: (metric) => account.isHistorical(metric),
    ...(options.maxPoints !== undefined && { maxPoints: options.maxPoints }),
  });
  const account: Account = createAccount({
    now,
    knowsMetric: (name) => store.has(name),
    validate: faultOf,
    onChange: () => engine?.sync(account.monitors()),
    statesOf: (id) => {
      const watch = engine.watches.get(id);
      return watch === undefined ? undefined : statesOf(watch);
    },
  });
  const engine: Engine = createEngine({
    store,
    now: clock.now(),
    webhook: (name) => account.webhooks().find((webhook) => webhook.name === name),
    variables: () => account.variables(),
    isMuted: (monitor, tags) => account.isMuted(monitor, tags),
    ...(options.webhookDate && { webhookDate: options.webhookDate }),
    deliver: (request) => deliver(request, send, (attempt) => wait(RETRY_MS * 2 ** (attempt - 1))),
  });

  return {
    clock,
    store,
    account,
    engine,
    tick: () => engine.advance(clock.now()),
    async advance(seconds) {
      for (let left = seconds; left > 0; left -= MINUTE_S) {
        clock.advance(Math.min(left, MINUTE_S));
        await engine.advance(clock.now());
      }
    },
  };
}

const METRIC_TYPES: ReadonlySet<unknown> = new Set(["metric alert", "query alert"]);

/** Errors of a monitor's query, as `POST /api/v1/monitor/validate` reports them. Features that the sandbox lacks pass. */
function faultOf(monitor: Readonly<Record<string, unknown>>): string | undefined {
  // Queries of other sources, and formulas over any, have a grammar of their own.
  if (!METRIC_TYPES.has(monitor.type) || /^\s*formula\(/.test(String(monitor.query))) return undefined;
  try {
    readRules(monitor);
    return undefined;
  } catch (error) {
    const { name, message } = error as Error;
    return name === "QueryFault" ? `The value provided for parameter 'query' is invalid: ${message}` : undefined;
  }
}
