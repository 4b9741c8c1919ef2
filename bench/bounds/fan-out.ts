import { spawnSync } from "node:child_process";
import type { Bound } from "../bound.ts";
import { runProgram } from "../program.ts";

interface FanOut {
  /** Milliseconds from the webhook to the last process, round by round. */
  readonly bare: readonly number[];
  readonly events: readonly number[];
  readonly redis: readonly number[];
}

let measured: Promise<FanOut> | undefined;

/** All three ways take turns in one run, in the same processes. */
function measure(): Promise<FanOut> {
  measured ??= runProgram("fan-out.ts", ["100", "100"]) as Promise<FanOut>;
  return measured;
}

function bound(way: "events" | "redis"): Bound {
  return {
    limit: 1.5,
    unit: "×",
    async measure() {
      const rows = await measure();
      return p99(rows[way]) / p99(rows.bare);
    },
  };
}

function p99(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
}

/** From a webhook to the last of 100 processes that refuses, against a bare event stream to as many: p99 by p99. */
export const fanOutEvents: Bound = bound("events");
export const fanOutRedis: Bound = bound("redis");

/** Absent, the Redis way cannot be measured. */
export const hasRedis: boolean = spawnSync("redis-server", ["--version"]).status === 0;
