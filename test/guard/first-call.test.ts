import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isBlocked } from "../../src/guard/blocked.ts";
import { openRedis } from "../../src/stores/redis/store.ts";
import { changeCircuit } from "../../src/stores/store.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../servers/redis.ts";
import { type SlowProxy, startSlowProxy } from "../servers/slow-proxy.ts";
import { answer, chat, type Guarded, guard } from "./guarded.ts";

let server: ModelServer;
let redis: RedisServer;
let proxy: SlowProxy;
let guards: Guarded[] = [];

beforeAll(async () => {
  server = await startModelServer();
  if (NO_REDIS !== undefined) return;
  redis = await startRedis();
  proxy = await startSlowProxy(redis.port, 200);
});
afterEach(async () => {
  redis?.resume();
  await Promise.all(guards.map((one) => one.stop()));
  guards = [];
});
afterAll(async () => {
  await server.close();
  await proxy?.close();
  await redis?.kill();
});

/** As an app that does not wait for `start()`. */
async function begin(config: Parameters<typeof guard>[1]): Promise<Guarded> {
  const one = await guard(server, config, true);
  guards.push(one);
  return one;
}

describe.skipIf(NO_REDIS !== undefined)("the first call of a process", () => {
  test.each(["open", "closed"] as const)("sees a circuit in a store 200 ms away: %s", async (whenStateUnknown) => {
    server.play(answer(100, 100));
    const store = `redis://127.0.0.1:${proxy.port}?prefix=${Math.random()}`;
    const operator = await openRedis(store);
    const trip = { type: "trip", source: "operator", reason: "test", by: "me", ttlMs: 60_000 } as const;
    await changeCircuit(operator, "agent:stopped", trip, Date.now());
    for (let fresh = 0; fresh < 2; fresh++) {
      const one = await begin({ store, whenStateUnknown });
      expect((await chat(one, server.url, { agent: "stopped" })).status).toBe(402);
      expect((await chat(one, server.url, { agent: "other" })).status).toBe(200);
    }
    await operator.close();
  });

  test("does not wait longer for a store that hangs than openTimeout, and closed names it", async () => {
    server.play(answer(100, 100));
    redis.pause();
    const config = { store: redis.url, openTimeout: "300ms", stateTimeout: "100ms" } as const;
    const budgets = [{ scope: { agent: "*" }, per: "month", calls: 2 }] as const;
    const open = await begin({ ...config, budgets, whenStateUnknown: "open" });
    const begun = performance.now();
    const statuses = [];
    for (let call = 0; call < 4; call++) statuses.push((await chat(open, server.url)).status);
    expect(performance.now() - begun).toBeLessThan(3_000);
    expect(statuses).toEqual([200, 200, 402, 402]);
    const closed = await begin({ ...config, budgets, whenStateUnknown: "closed" });
    const refused = await chat(closed, server.url);
    expect(refused.status).toBe(402);
    expect(isBlocked(refused.json1)).toMatchObject({ unknown: "no answer" });
    const message = JSON.stringify(refused.json1);
    expect(message).toContain(new URL(redis.url).host);
    expect(message).toContain("spendfuse doctor");
    expect(message).not.toMatch(/raise the budget/i);
  });
});
