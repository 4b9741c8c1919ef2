import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createBudgetOperations } from "../../src/breaker/budgets/changes.ts";
import { createOperations } from "../../src/breaker/operations.ts";
import type { BudgetConfig } from "../../src/core/config-types.ts";
import { readBudget } from "../../src/limits/budget.ts";
import { openStore } from "../../src/stores/open.ts";
import type { Store } from "../../src/stores/store.ts";
import { type Spender, startSpender, vendorOf } from "../guard/fleet.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../servers/redis.ts";

const PROGRAM = fileURLToPath(new URL("operator.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "spendfuse-operators-"));
const BUDGET: BudgetConfig = { name: "agent hour", scope: { agent: "*" }, per: "month", calls: 1_000 };
const PROCESSES = 4;
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

interface Killed {
  readonly sent: readonly string[];
  readonly done: readonly string[];
}

/** Runs an operator for so long, and kills it. */
async function runAndKill(address: string, name: string, ms: number): Promise<Killed> {
  const args = ["--no-warnings", PROGRAM, address, JSON.stringify(BUDGET), name];
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  const closed = once(child, "close");
  const begun = Promise.withResolvers<void>();
  child.stdout?.on("data", (data) => {
    output += data;
    begun.resolve();
  });
  // One that ends by itself before it has said anything must not be waited for.
  await Promise.race([begun.promise, closed]);
  await wait(ms);
  child.kill("SIGKILL");
  await closed;
  const lines = output.split("\n").slice(0, -1);
  const idsOf = (word: string) => lines.flatMap((line) => (line.startsWith(word) ? line.slice(word.length + 1) : []));
  return { sent: idsOf("sent"), done: idsOf("done") };
}

describe.each(Object.entries(ADDRESSES))("operators on the store %s", (name, make) => {
  const it = test.skipIf(name === "redis" && NO_REDIS !== undefined);

  async function open(address: string): Promise<Store> {
    const store = await openStore(address);
    closers.push(() => store.close());
    return store;
  }

  it("lose no change and double none, though four are killed in the middle, again and again", async () => {
    const address = make();
    const store = await open(address);
    const killed: Killed[] = [];
    for (let round = 0; round < 3; round++) {
      const runs = Array.from({ length: PROCESSES }, (_, index) =>
        runAndKill(address, `${round}.${index}`, 150 + 37 * index),
      );
      killed.push(...(await Promise.all(runs)));
    }
    const operations = createBudgetOperations(store, () => readBudget(BUDGET));
    const done = killed.flatMap((one) => one.done);
    expect(done.length).toBeGreaterThan(PROCESSES);
    // Whoever got no answer sends the order again, and so does one who got it.
    const again = killed.flatMap(({ sent }) => sent.slice(-2));
    for (const id of again) {
      const verb = Number(id.split("-")[1]) % 4 === 3 ? "lower" : "raise";
      const order = { budget: "agent hour", scope: "agent:spender", amount: 3, reason: id, by: "x", id };
      expect((await operations.change(verb, order)).status).toBe(200);
    }
    const entries = [...(await store.audit(10_000))].reverse();
    expect(entries.map(({ why }) => why).sort()).toEqual([...new Set([...done, ...again])].sort());
    let cap = 1_000;
    for (const { what, before, after } of entries) {
      expect(before).toBe(cap);
      cap += what === "lower" ? -3 : 3;
      expect(after).toBe(cap);
    }
    expect(await operations.rows()).toMatchObject([{ cap, raised: cap - 1_000 }]);
  });

  it("reach four running processes within a second: a raise, a pause and a resume", async () => {
    const address = make();
    server.play(vendorOf());
    const budget = { ...BUDGET, calls: 2 };
    const store = await open(address);
    const operations = createOperations(store, 60_000, Date.now, [], () => readBudget(budget));
    const fleet = Array.from({ length: PROCESSES }, () => startSpender(address, server, [budget]));
    closers.push(() => Promise.all(fleet.map((spender) => spender.stop())));
    const isRefused = async (spender: Spender) => (await spender.spend(1, 1, 2)).refused === 1;
    /** Milliseconds until all are refused, or none is. */
    async function until(refused: boolean): Promise<number> {
      const from = performance.now();
      const all = fleet.map(async (spender) => {
        while ((await isRefused(spender)) !== refused) await wait(20);
      });
      await Promise.all(all);
      return performance.now() - from;
    }
    for (const spender of fleet) await spender.spend(2, 1, 2);
    await until(true);
    for (let turn = 1; turn <= 2; turn++) {
      const raise = { budget: "agent hour", scope: "agent:spender", amount: 1_000, reason: "more", by: "ada" };
      expect((await operations.changeBudget("raise", raise)).status).toBe(200);
      expect(await until(false)).toBeLessThan(1_000);
      await operations.change("trip", { scope: "agent:spender", reason: "pause", by: "ada" });
      expect(await until(true)).toBeLessThan(1_000);
      await operations.change("reset", { scope: "agent:spender", reason: "resume", by: "ada" });
      expect(await until(false)).toBeLessThan(1_000);
      await wait(turn === 1 ? 3_000 : 0);
      const spent = (await operations.counts(10)).body as { budgets: readonly { cap: number; spent: number }[] };
      const [row = { cap: 0, spent: 0 }] = spent.budgets;
      const lower = { ...raise, amount: row.cap - row.spent };
      expect((await operations.changeBudget("lower", lower)).status).toBe(200);
      expect(await until(true)).toBeLessThan(1_000);
    }
  });
});
