// @serial: it measures how soon processes go on, and their CPU time.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createBudgetOperations } from "../../src/breaker/budgets/changes.ts";
import type { BudgetConfig } from "../../src/core/config-types.ts";
import { readBudget } from "../../src/limits/budget.ts";
import { openStore } from "../../src/stores/open.ts";
import { changeCircuit, type Store } from "../../src/stores/store.ts";
import { eventually } from "../eventually.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../servers/redis.ts";
import { answer } from "./guarded.ts";

const PROGRAM = fileURLToPath(new URL("waiter.ts", import.meta.url));
const PROCESSES = 4;
const CALLS = 15;
const HOUR = 3_600_000;
const BUDGET: BudgetConfig = { name: "agent hour", scope: { agent: "*" }, per: "month", calls: 0 };
const AGENT = "agent:waiter";
const folder = mkdtempSync(join(tmpdir(), "spendfuse-waiting-"));

interface Waiter {
  readonly child: ChildProcess;
  readonly answered: { readonly answered: number; readonly status: number; readonly at: number }[];
  order(line: string): void;
  /** The next line that is no answer. */
  said(): Promise<{ readonly cpuMs: number }>;
}

let redis: RedisServer | undefined;
let server: ModelServer;
const closers: (() => unknown)[] = [];
beforeAll(async () => {
  server = await startModelServer();
  if (NO_REDIS === undefined) redis = await startRedis();
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(async () => {
  await server.close();
  await redis?.kill();
  rmSync(folder, { recursive: true, force: true });
});

const ADDRESSES = {
  file: () => `file:${join(folder, `${Math.random()}.db`)}`,
  redis: () => `${redis?.url}?prefix=${Math.random()}`,
};

async function startWaiter(store: string, budgets: readonly BudgetConfig[], aheadMs = 0): Promise<Waiter> {
  const args = ["--no-warnings", PROGRAM, store, server.url, JSON.stringify(budgets), String(aheadMs)];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  const answered: Waiter["answered"] = [];
  const said: object[] = [];
  const waiting: ((value: object) => void)[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    const value = JSON.parse(line);
    if ("answered" in value) answered.push(value);
    else if (waiting.length > 0) waiting.shift()?.(value);
    else said.push(value);
  });
  const next = async () => (said.shift() ?? (await new Promise<object>((resolve) => waiting.push(resolve)))) as never;
  closers.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  });
  await next();
  return { child, answered, order: (line) => void child.stdin.write(`${line}\n`), said: next };
}

async function startFleet(
  address: string,
  budgets: readonly BudgetConfig[],
  aheadMs?: number,
): Promise<readonly Waiter[]> {
  return await Promise.all(Array.from({ length: PROCESSES }, () => startWaiter(address, budgets, aheadMs)));
}

async function openFor(address: string): Promise<Store> {
  const store = await openStore(address);
  closers.push(() => store.close());
  return store;
}

function raise(store: Store, amount: number): Promise<unknown> {
  const operations = createBudgetOperations(
    store,
    () => readBudget(BUDGET),
    () => Date.now(),
  );
  return operations.change("raise", {
    budget: "agent hour",
    scope: AGENT,
    amount,
    reason: "go on",
    by: "ann",
  }) as never;
}

const all = (fleet: readonly Waiter[]) => fleet.flatMap(({ answered }) => answered);
/** The calls that have gone on are those that came first: none has overtaken another of its process. */
function expectFirst({ answered }: Waiter): void {
  const numbers = answered.map(({ answered: number }) => number).sort((a, b) => a - b);
  expect(numbers).toEqual(Array.from(numbers, (_, index) => index));
}

/** What a process computes in 3 s while it idles, and while 1,000 of its calls wait, in milliseconds. */
async function measureWaiting(
  store: string,
  budget: BudgetConfig,
): Promise<{ readonly waiter: Waiter; readonly idle: number; readonly cpuMs: number }> {
  const waiter = await startWaiter(store, [budget]);
  waiter.order("cpu 3000");
  const { cpuMs: idle } = await waiter.said();
  waiter.order("call 1000");
  await waiter.said();
  await wait(1_500);
  waiter.order("cpu 3000");
  const { cpuMs } = await waiter.said();
  return { waiter, idle, cpuMs };
}

describe.each(Object.entries(ADDRESSES).map(([name, make]) => ({ name, make })))("on $name", ({ name, make }) => {
  test.skipIf(name === "redis" && NO_REDIS !== undefined)(
    "a raise lets the waiting calls of four processes go on within a second, in order; none is lost or doubled",
    { timeout: 60_000 },
    async () => {
      server.play(answer(5, 5));
      const address = make();
      const store = await openFor(address);
      const fleet = await startFleet(address, [BUDGET]);
      for (const one of fleet) one.order(`call ${CALLS}`);
      await Promise.all(fleet.map((one) => one.said()));
      await wait(500);
      expect([all(fleet), server.visits]).toEqual([[], []]);
      // Enough for half of them, and then for the rest; one process is killed in between.
      const half = (PROCESSES * CALLS) / 2;
      await raise(store, half);
      await eventually(() => expect(all(fleet)).toHaveLength(half));
      await wait(300);
      expect(server.visits).toHaveLength(half);
      for (const one of fleet) expectFirst(one);
      const [killed, ...living] = fleet as [Waiter, ...Waiter[]];
      const gone = once(killed.child, "exit");
      killed.child.kill("SIGKILL");
      await gone;
      const left = CALLS * (PROCESSES - 1) - all(living).length;
      const raisedAt = Date.now();
      await raise(store, left);
      await eventually(() => expect(all(living)).toHaveLength(CALLS * (PROCESSES - 1)));
      expect(Math.max(...all(living).map(({ at }) => at)) - raisedAt).toBeLessThan(1_000);
      expect(server.visits).toHaveLength(half + left);
      expect(all(fleet).every(({ status }) => status === 200)).toBe(true);
      for (const one of living) expectFirst(one);
    },
  );

  test.skipIf(name === "redis" && NO_REDIS !== undefined)(
    "paused calls of four processes go on within a second of the resume",
    { timeout: 60_000 },
    async () => {
      server.play(answer(5, 5));
      const address = make();
      const store = await openFor(address);
      const fleet = await startFleet(address, [{ ...BUDGET, calls: 1_000 }]);
      const trip = { type: "trip", reason: "look first", by: "ann", ttlMs: 600_000, source: "operator" } as const;
      await changeCircuit(store, AGENT, trip, Date.now());
      await wait(1_000);
      for (const one of fleet) one.order(`call ${CALLS}`);
      await Promise.all(fleet.map((one) => one.said()));
      await wait(500);
      expect(server.visits).toEqual([]);
      const resumedAt = Date.now();
      await changeCircuit(store, AGENT, { type: "reset", by: "ann", reason: "fine" }, resumedAt);
      await eventually(() => expect(all(fleet)).toHaveLength(PROCESSES * CALLS));
      expect(Math.max(...all(fleet).map(({ at }) => at)) - resumedAt).toBeLessThan(1_000);
      for (const one of fleet) expectFirst(one);
    },
  );

  test.skipIf(name === "redis" && NO_REDIS !== undefined)(
    "calls of four processes that wait for the hour to turn go on at the turn, in order, within the cap",
    { timeout: 60_000 },
    async () => {
      server.play(answer(5, 5));
      const address = make();
      const cap = 24;
      // The processes' clocks are ahead, so that their hour turns in 8 seconds.
      const turnsAt = Date.now() + 8_000;
      const aheadMs = HOUR - (turnsAt % HOUR);
      const fleet = await startFleet(address, [{ ...BUDGET, per: "hour", calls: cap }], aheadMs);
      for (const one of fleet) one.order(`call ${CALLS}`);
      await Promise.all(fleet.map((one) => one.said()));
      await eventually(() => expect(all(fleet)).toHaveLength(cap));
      expect(Date.now()).toBeLessThan(turnsAt);
      await eventually(() => expect(all(fleet)).toHaveLength(cap * 2));
      const second = all(fleet)
        .map(({ at }) => at - aheadMs)
        .filter((at) => at >= turnsAt);
      console.log(
        `${name}: the last of ${second.length} calls went on ${Math.max(...second) - turnsAt} ms after the turn`,
      );
      expect(second).toHaveLength(cap);
      expect(Math.max(...second) - turnsAt).toBeLessThan(2_000);
      // The rest waits on, and is lost by none.
      await wait(500);
      expect(server.visits).toHaveLength(cap * 2);
      for (const one of fleet) expectFirst(one);
      expect(all(fleet).every(({ status }) => status === 200)).toBe(true);
      for (const one of fleet) one.order("stop");
    },
  );

  test.skipIf(name === "redis" && NO_REDIS !== undefined)(
    "a throttle lets one call of four processes go at a time; each process has its part, in order",
    { timeout: 60_000 },
    async () => {
      server.play(answer(5, 5));
      const everyMs = 250;
      const throttle = { at: 0, every: `${everyMs}ms` };
      const fleet = await startFleet(make(), [{ ...BUDGET, calls: 1_000, ladder: { throttle } }]);
      for (const one of fleet) one.order(`call ${CALLS}`);
      await Promise.all(fleet.map((one) => one.said()));
      await eventually(() => expect(all(fleet).length).toBeGreaterThan(20));
      const times = all(fleet)
        .map(({ at }) => at)
        .sort((a, b) => a - b)
        // Seen when answered, and each process's first answer takes the longest.
        .slice(PROCESSES);
      const tookMs = (times.at(-1) as number) - (times[0] as number);
      const shares = fleet.map(({ answered }) => answered.length);
      console.log(
        `${name}: ${times.length - 1} calls in ${tookMs} ms at one every ${everyMs} ms, by process ${shares.join(" ")}`,
      );
      expect(times.length - 1).toBeLessThanOrEqual(tookMs / everyMs + 2);
      expect(times.length - 1).toBeGreaterThan((tookMs / everyMs) * 0.7);
      expect(Math.min(...shares)).toBeGreaterThan(1);
      for (const one of fleet) expectFirst(one);
    },
  );

  test.skipIf(name === "redis" && NO_REDIS !== undefined)(
    "1,000 calls that wait cost a process no CPU beside what it costs idle",
    { timeout: 60_000 },
    async () => {
      server.play(answer(5, 5));
      const throttled = { ...BUDGET, calls: 1_000, ladder: { throttle: { at: 0, every: "1h" } } };
      const measured = await Promise.all([BUDGET, throttled].map((budget) => measureWaiting(make(), budget)));
      for (const { waiter, idle, cpuMs } of measured) {
        console.log(
          `${name}: ${cpuMs.toFixed(1)} ms of CPU in 3 s with 1,000 calls waiting, ${idle.toFixed(1)} ms idle`,
        );
        expect(cpuMs).toBeLessThan(idle * 2 + 30);
        expect(waiter.answered.length).toBeLessThanOrEqual(1);
      }
    },
  );
});
