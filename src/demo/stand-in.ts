import { METRICS } from "../core/names.ts";
import { type Asset, readAssets } from "../datadog/assets.ts";
import { type Choices, wantedOf } from "../datadog/deploy/wanted.ts";
import { simulatedClock } from "../sandbox/clock.ts";
import { preload } from "../sandbox/preload.ts";
import { createSandbox } from "../sandbox/sandbox.ts";
import { scanCells } from "../sandbox/series/cells.ts";
import type { SeriesStore } from "../sandbox/series/series.ts";
import { startSandboxServer } from "../sandbox/server.ts";
import type { TransitionView } from "../sandbox/view.ts";
import { post } from "../sandbox/webhook.ts";

/** What arrived for one agent. */
export interface Received {
  /** Nano-USD. */
  readonly cost: number;
  readonly tokens: number;
  readonly calls: number;
}

/** A transition of a monitor, by the monitor's name. */
export interface Happened extends TransitionView {
  readonly monitor: string;
}

/** The sandbox in the place of Datadog, with the shipped dashboards and monitors, on its own clock. */
export interface StandIn {
  readonly url: string;
  /** What arrived as metrics, by agent. */
  readonly byAgent: ReadonlyMap<string, Received>;
  /** Nano-USD of calls and charges that arrived, by the value of a tag. */
  spendBy(tag: string): ReadonlyMap<string, number>;
  /** The latest value of a gauge in its series, by the value of a tag. */
  latestBy(metric: string, tag: string): ReadonlyMap<string, number>;
  /** Newest first. */
  readonly happened: readonly Happened[];
  /** When a webhook was answered, in milliseconds of `performance.now()`. */
  readonly answeredAt: number | undefined;
  /** The sandbox's seconds at a real moment, in milliseconds since the epoch. */
  timeAt(moment: number): number;
  /** Runs at {@link SPEED} again: from the first webhook on a second is a second, so that an operator has time. */
  resume(): void;
  /** Moves its clock forward to a time, in seconds, before {@link begin}. */
  moveTo(seconds: number): void;
  /** From now on its clock runs, at {@link SPEED}; what came before is history, and no part of the sums. */
  begin(): void;
  /** Sets the breaker that webhooks go to. */
  connect(breaker: string, secret: string, token: string): void;
  close(): Promise<void>;
}

/** A second is a minute. */
export const SPEED = 60;
/** What the clock can gain before it has caught up, in seconds. */
const HEAD_START_S = 3 * 3_600;

/** Where its clock begins to run, in seconds, when it begins now. */
export function beginningOf(now: number): number {
  return Math.floor(now / 60_000) * 60 - HEAD_START_S;
}

/**
 * @param settings Thresholds of this demo, whose cents are as good as dollars.
 * @param from Where its clock stands until it begins, in seconds.
 */
export async function startStandIn(settings: ReadonlyMap<string, number>, from: number): Promise<StandIn> {
  const clock = simulatedClock(from);
  let began = 0;
  let answeredAt: number | undefined;
  const sandbox = createSandbox({
    clock,
    // Breaker and agents live in real time.
    webhookDate: () => Math.floor(Date.now() / 1_000),
    async send(request) {
      const status = await post(request);
      if (answeredAt === undefined) {
        answeredAt = performance.now();
        clock.pace(1);
      }
      return status;
    },
  });
  const server = await startSandboxServer(sandbox, { port: 0 });
  // Points of past days are taken from the beginning.
  preload(sandbox.account, []);
  const choices: Choices = {
    settings,
    notify: ["@oncall-demo"],
    webhook: true,
    prefix: "",
    filters: [],
    tags: ["customer"],
  };

  return {
    url: server.url,
    get byAgent() {
      return sumByAgent(sandbox.store, began);
    },
    spendBy: (tag) => sumByTag(sandbox.store, tag, began),
    latestBy: (metric, tag) => latestBy(sandbox.store, metric, tag),
    get happened() {
      const { transitions, watches } = sandbox.engine;
      return transitions.map((one) => ({ ...one, monitor: String(watches.get(one.monitor)?.body.name) }));
    },
    get answeredAt() {
      return answeredAt;
    },
    timeAt: (moment) => clock.at(moment / 1_000),
    resume: () => clock.pace(SPEED),
    moveTo: (seconds) => clock.advance(Math.max(0, seconds - clock.now())),
    begin() {
      clock.advance(Math.max(0, beginningOf(Date.now()) - clock.now()));
      began = clock.now();
      clock.pace(SPEED);
    },
    connect(breaker, secret, token) {
      // The same bodies that deploy installs.
      const wanted = wantedOf(readAssets(), choices).map(
        ({ kind, key, body }): Asset => ({ kind, name: key, file: key, json: body }),
      );
      preload(sandbox.account, wanted, { breaker, secret });
      server.link({ url: breaker, token });
    },
    close: () => server.close(),
  };
}

function sumByAgent(store: SeriesStore, from: number): ReadonlyMap<string, Received> {
  const sums = new Map<string, { cost: number; tokens: number; calls: number }>();
  for (const [metric, key] of SUMS) {
    for (const { tags, cells } of store.select(metric, () => true)) {
      const agent = tags.get("agent")?.[0];
      if (agent === undefined) continue;
      scanCells(cells, from, Number.POSITIVE_INFINITY, (_, sum) => {
        const row = sums.get(agent) ?? { cost: 0, tokens: 0, calls: 0 };
        sums.set(agent, row);
        row[key] += key === "cost" ? Math.round(sum * 1e9) : sum;
      });
    }
  }
  return sums;
}

function sumByTag(store: SeriesStore, tag: string, from: number): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const { name } of [METRICS.cost, METRICS.charges]) {
    for (const { tags, cells } of store.select(name, () => true)) {
      const value = tags.get(tag)?.[0];
      if (value === undefined) continue;
      scanCells(cells, from, Number.POSITIVE_INFINITY, (_, sum) => {
        sums.set(value, (sums.get(value) ?? 0) + Math.round(sum * 1e9));
      });
    }
  }
  return sums;
}

function latestBy(store: SeriesStore, metric: string, tag: string): ReadonlyMap<string, number> {
  const latest = new Map<string, readonly [time: number, value: number]>();
  for (const { tags, cells } of store.select(metric, () => true)) {
    const value = tags.get(tag)?.[0] ?? "";
    scanCells(cells, 0, Number.POSITIVE_INFINITY, (time, sum, count) => {
      if (time >= (latest.get(value)?.[0] ?? 0)) latest.set(value, [time, sum / count]);
    });
  }
  return new Map([...latest].map(([value, [, last]]) => [value, last]));
}

const SUMS = [
  [METRICS.cost.name, "cost"],
  [METRICS.tokens.name, "tokens"],
  [METRICS.calls.name, "calls"],
] as const;
