import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isBlocked } from "../../src/guard/blocked.ts";
import { openFile } from "../../src/stores/file/store.ts";
import { openStore } from "../../src/stores/open.ts";
import { openRedis } from "../../src/stores/redis/store.ts";
import { changeCircuit, type Store } from "../../src/stores/store.ts";
import { eventually } from "../eventually.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../servers/redis.ts";
import { startSpender, vendorOf } from "./fleet.ts";
import { answer, chat, type Guarded, guard } from "./guarded.ts";

const KILLS = 3 * Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
/** Longer than a dead process is waited for. */
const LATER_MS = 11_000;

let server: ModelServer;
let redis: RedisServer | undefined;
let guards: Guarded[] = [];
const folder = mkdtempSync(join(tmpdir(), "spendfuse-loss-"));

beforeAll(async () => {
  server = await startModelServer();
  if (NO_REDIS === undefined) redis = await startRedis();
  else console.log(NO_REDIS);
});
afterEach(async () => {
  await Promise.all(guards.map((one) => one.stop()));
  guards = [];
});
afterAll(async () => {
  await server.close();
  await redis?.kill();
  rmSync(folder, { recursive: true, force: true });
});

async function open(config: Parameters<typeof guard>[1]): Promise<Guarded> {
  const one = await guard(server, { stateTimeout: "1s", ...config });
  guards.push(one);
  return one;
}

const STORES: Readonly<Record<string, () => { address: string; later: () => Promise<Store> }>> = {
  file() {
    const path = join(folder, `${Math.random()}.db`);
    return { address: `file:${path}`, later: () => openFile(path, { clock: () => Date.now() + LATER_MS }) };
  },
  redis() {
    const address = `${redis?.url}?prefix=${Math.random()}`;
    return { address, later: () => openRedis(address, () => Date.now() + LATER_MS) };
  },
};
const skipped = (name: string): boolean => name === "redis" && NO_REDIS !== undefined;

describe.each(Object.entries(STORES))("%s", (name, make) => {
  test.skipIf(skipped(name))(
    "killed at random points, no spend is forgotten, and nobody is blocked for ever",
    async () => {
      server.play(vendorOf());
      const { address, later } = make();
      const budget = { scope: { agent: "*" }, per: "month", usd: 1 };
      let told = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        const spender = startSpender(address, server, [budget], "tell");
        spender.lines.on("line", (line) => {
          told += (JSON.parse(line) as { spent?: number }).spent ?? 0;
        });
        const exited = once(spender.child, "exit");
        spender.child.stdin?.write("500 20 1\n");
        // One that could not open its store ends without a line.
        await Promise.race([once(spender.lines, "line"), exited]);
        await wait(Math.random() * 150);
        spender.child.kill("SIGKILL");
        await exited;
      }
      const requests = server.visits.length;
      const store = await later();
      const [count] = await store.counts(10);
      expect(told).toBeGreaterThan(0);
      expect(count?.spent).toBeGreaterThanOrEqual(Math.round(told * 1e9));
      // What the dead held is free again, but for what their last calls may have cost.
      expect(count).toMatchObject({ inUse: 0, held: 0 });
      // Some that settled were killed before they could say so; none costs more than its reserve.
      expect((count?.spent ?? 0) / 1e9).toBeLessThan((requests + KILLS * 20) * 0.0005);
      await store.close();
    },
  );

  test.skipIf(skipped(name))("a restart remembers spend and circuits", async () => {
    server.play(answer(100, 100));
    const { address } = make();
    const config = { store: address, budgets: [{ scope: { agent: "*" }, per: "month", calls: 3 }] } as const;
    const first = await open(config);
    for (let call = 0; call < 2; call++) expect((await chat(first, server.url)).status).toBe(200);
    const store = await openStore(address);
    const trip = { type: "trip", source: "operator", reason: "test", by: "me", ttlMs: 60_000 } as const;
    await changeCircuit(store, "agent:stopped", trip, Date.now());
    await eventually(async () => expect((await chat(first, server.url, { agent: "stopped" })).status).toBe(402));
    await first.stop();
    const second = await open(config);
    expect((await chat(second, server.url, { agent: "stopped" })).status).toBe(402);
    expect((await chat(second, server.url)).status).toBe(200);
    const refused = await chat(second, server.url);
    expect(isBlocked(refused.json1)).toMatchObject({ reason: "budget", spent: 3, limit: 3 });
    await store.close();
  });
});

describe.skipIf(NO_REDIS !== undefined)("a Redis that goes away and comes back empty", () => {
  test("is told again what was spent and which circuits are open", async () => {
    server.play(answer(100, 100));
    const store = `${redis?.url}?prefix=${Math.random()}`;
    const budgets = [{ scope: { agent: "*" }, per: "month", calls: 6 }];
    const config = { store, whenStateUnknown: "closed", budgets } as const;
    const one = await open(config);
    const two = await open(config);
    for (const each of [one, two, one, two]) expect((await chat(each, server.url)).status).toBe(200);
    const operator = await openRedis(store);
    const trip = { type: "trip", source: "operator", reason: "test", by: "me", ttlMs: 60_000 } as const;
    await changeCircuit(operator, "agent:stopped", trip, Date.now());
    for (const each of [one, two])
      await eventually(async () => expect((await chat(each, server.url, { agent: "stopped" })).status).toBe(402));

    await redis?.kill();
    // A trip that is known needs no store.
    expect((await chat(one, server.url, { agent: "stopped" })).status).toBe(402);
    await redis?.start();
    await eventually(async () =>
      expect(await operator.circuits()).toMatchObject([{ scope: "agent:stopped", state: "open" }]),
    );
    await eventually(async () => {
      const counts = await operator.counts(10);
      expect(counts.find(({ key }) => key.includes("agent:researcher"))).toMatchObject({ spent: 4 });
    });
    // Each has found its way back, which takes one longer than another.
    for (const each of [one, two]) {
      await eventually(async () => expect((await chat(each, server.url, { agent: "scout" })).status).toBe(200));
    }
    const after: number[] = [];
    for (const each of [one, two, one]) after.push((await chat(each, server.url)).status);
    expect(after).toEqual([200, 200, 402]);
    expect((await chat(two, server.url, { agent: "stopped" })).status).toBe(402);
    await operator.close();
  });

  test.each([
    ["open", 200],
    ["closed", 402],
  ] as const)("whenStateUnknown: %s decides while it is away, loudly", async (whenStateUnknown, status) => {
    server.play(answer(100, 100));
    const gone = await startRedis();
    await gone.kill();
    const config = { store: gone.url, stateTimeout: "50ms", whenStateUnknown } as const;
    const one = await open({ ...config, budgets: [{ scope: { agent: "*" }, per: "month", calls: 2 }] });
    expect((await chat(one, server.url)).status).toBe(status);
    expect(one.said.join("\n")).toMatch(
      /unknown: calls are (checked by what this process knows|refused) \(whenStateUnknown/,
    );
    await gone.start();
    // Back, it decides by the budget; what passed unchecked counts.
    const calls: number[] = [];
    await eventually(async () => {
      calls.push((await chat(one, server.url)).status);
      expect(calls.filter((one) => one === 200).length + (status === 200 ? 1 : 0)).toBeGreaterThanOrEqual(2);
      expect(calls.at(-1)).toBe(402);
    });
    const store = await openRedis(gone.url);
    const passed = calls.filter((one) => one === 200).length + (status === 200 ? 1 : 0);
    await eventually(async () => expect(await store.counts(1)).toMatchObject([{ spent: passed }]));
    await store.close();
    await gone.kill();
  });
});
