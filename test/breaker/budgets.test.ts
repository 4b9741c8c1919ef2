import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { BudgetRow } from "../../src/breaker/budgets/changes.ts";
import { type Breaker, startBreaker } from "../../src/breaker/server.ts";
import type { BudgetConfig } from "../../src/core/config-types.ts";
import { readBudget } from "../../src/limits/budget.ts";
import { openStore } from "../../src/stores/open.ts";
import type { Store } from "../../src/stores/store.ts";
import { eventually } from "../eventually.ts";
import { answer, chat, type Guarded, guard } from "../guard/guarded.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../servers/redis.ts";

const TOKEN = "operator-token";
const folder = mkdtempSync(join(tmpdir(), "spendfuse-budgets-"));
let server: ModelServer;
let redis: RedisServer | undefined;
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

const BUDGET: BudgetConfig = { name: "agent hour", scope: { agent: "*" }, per: "hour", calls: 2 };

const ADDRESSES = {
  file: () => `file:${join(folder, `${Math.random()}.db`)}`,
  redis: () => `${redis?.url}?prefix=${Math.random()}`,
};

async function openBreaker(store: Store, budget: BudgetConfig): Promise<Breaker> {
  const breaker = await startBreaker({ store, port: 0, operatorToken: TOKEN, caps: () => readBudget(budget) });
  closers.push(() => breaker.close());
  return breaker;
}

async function order(url: string, verb: string, body: object, token = TOKEN): Promise<{ status: number; json: never }> {
  const response = await fetch(`${url}/budgets/${verb}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, json: (await response.json()) as never };
}

async function rowsOf(url: string): Promise<readonly BudgetRow[]> {
  const response = await fetch(`${url}/budgets`, { headers: { authorization: `Bearer ${TOKEN}` } });
  return ((await response.json()) as { budgets: readonly BudgetRow[] }).budgets;
}

async function statusOf(process: Guarded): Promise<number> {
  return (await chat(process, server.url)).status;
}

/** The caps in force, as the processes know them. */
function capsOf(fleet: readonly Guarded[]): readonly number[] {
  return fleet.flatMap(({ runtime }) => runtime.budgets().map(({ cap }) => cap));
}

const RAISE = { budget: "agent hour", scope: "agent:researcher", amount: 2, reason: "the launch", by: "ada" };

describe.each(Object.entries(ADDRESSES))("an operator's change on the store %s", (name, make) => {
  const it = test.skipIf(name === "redis" && NO_REDIS !== undefined);

  async function openFleet(budget: BudgetConfig, processes: number) {
    const address = make();
    const store = await openStore(address);
    closers.push(() => store.close());
    server.play(() => answer(400, 400));
    const fleet: Guarded[] = [];
    for (let index = 0; index < processes; index++) {
      const process = await guard(server, { store: address, budgets: [budget] });
      fleet.push(process);
      closers.push(() => process.stop());
    }
    return { fleet, store, url: (await openBreaker(store, budget)).url };
  }

  it.each([
    ["an hour", BUDGET],
    ["a moving window", { ...BUDGET, per: "10m" }],
  ] as const)("raises the cap of %s in every process within a second", async (_, budget) => {
    const { fleet, url, store } = await openFleet(budget, 4);
    const [first, ...others] = fleet as [Guarded, ...Guarded[]];
    expect(await statusOf(first)).toBe(200);
    expect(await statusOf(first)).toBe(200);
    for (const process of fleet) expect(await statusOf(process)).toBe(402);
    const { status, json } = await order(url, "raise", RAISE);
    expect(status).toBe(200);
    expect(json).toMatchObject({ cap: 4, raised: 2, scope: "agent:researcher" });
    const at = performance.now();
    await eventually(() => expect(capsOf(fleet)).toEqual(fleet.map(() => 4)));
    expect(performance.now() - at).toBeLessThan(1_000);
    expect(await statusOf(others[0] as Guarded)).toBe(200);
    expect(await statusOf(others[1] as Guarded)).toBe(200);
    for (const process of fleet) expect(await statusOf(process)).toBe(402);
    expect((await store.audit(20)).filter(({ what }) => what !== "stop")).toMatchObject([
      { what: "raise", by: "ada", why: "the launch", budget: "agent hour", unit: "calls", before: 2, after: 4 },
    ]);
  });

  it("lowers the cap, though processes hold slices of the old one", async () => {
    const { fleet, url } = await openFleet({ ...BUDGET, calls: 1_000 }, 2);
    for (const process of fleet) expect(await statusOf(process)).toBe(200);
    await order(url, "lower", { ...RAISE, amount: 999 });
    await eventually(() => expect(capsOf(fleet)).toEqual([1, 1]));
    for (const process of fleet) expect(await statusOf(process)).toBe(402);
  });

  it("resets what is spent, and shows it", async () => {
    const { fleet, url } = await openFleet(BUDGET, 1);
    const [process] = fleet as [Guarded];
    for (const status of [200, 200, 402]) expect(await statusOf(process)).toBe(status);
    await eventually(async () => expect(await rowsOf(url)).toMatchObject([{ spent: 2 }]));
    expect((await order(url, "reset", { budget: "agent hour", reason: "test data", by: "ada" })).status).toBe(200);
    expect(await rowsOf(url)).toMatchObject([{ spent: 2, raised: 2, cap: 4 }]);
    for (const status of [200, 200, 402]) expect(await statusOf(process)).toBe(status);
  });

  it("applies an order once that is sent twice", async () => {
    const { url } = await openFleet(BUDGET, 0);
    for (let time = 0; time < 3; time++)
      expect((await order(url, "raise", { ...RAISE, id: "order 1" })).json).toMatchObject({ cap: 4 });
  });
});

const REJECTED: readonly (readonly [what: string, fields: object, status: number, token?: string])[] = [
  ["a wrong token", {}, 401, "wrong"],
  ["no reason", { reason: " " }, 400],
  ["nobody", { by: undefined }, 400],
  ["no amount", { amount: undefined }, 400],
  ["a negative amount", { amount: -1 }, 400],
  ["an amount that is text", { amount: "5" }, 400],
  ["a part of a call too small to count", { amount: 0.1 }, 400],
  ["an absurd amount", { amount: 1e300 }, 400],
  ["an unknown budget", { budget: "other" }, 400],
  ["a scope of another kind", { scope: "team:a" }, 400],
  ["no scope, where there are several", { scope: undefined }, 400],
];

test.each(REJECTED.map((row) => ({ row })))("rejects an order with $row.0, and changes nothing", async ({ row }) => {
  const [, fields, status, token = TOKEN] = row;
  const store = await openStore("memory");
  closers.push(() => store.close());
  const { url } = await openBreaker(store, BUDGET);
  expect((await order(url, "raise", { ...RAISE, ...fields }, token)).status).toBe(status);
  expect(await store.counts(5)).toEqual([]);
  expect(await store.audit(5)).toEqual([]);
});

test("closes the circuit that the spent budget opened", async () => {
  const budget: BudgetConfig = { ...BUDGET, trip: "30m" };
  const address = `file:${join(folder, "trip.db")}`;
  const store = await openStore(address);
  closers.push(() => store.close());
  server.play(() => answer(400, 400));
  const process = await guard(server, { store: address, budgets: [budget] });
  closers.push(() => process.stop());
  const { url } = await openBreaker(store, budget);
  for (const status of [200, 200, 402]) expect(await statusOf(process)).toBe(status);
  await eventually(async () => expect(await store.circuit("agent:researcher")).toMatchObject({ state: "open" }));
  await order(url, "raise", RAISE);
  expect((await store.circuit("agent:researcher"))?.state).toBe("closed");
  await eventually(async () => expect(await statusOf(process)).toBe(200));
});
