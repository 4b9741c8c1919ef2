import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openRedis } from "../../src/stores/redis/store.ts";
import { changeCircuit } from "../../src/stores/store.ts";
import { eventually } from "../eventually.ts";
import { answer, chat, type Guarded, guard } from "../guard/guarded.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../servers/redis.ts";
import { type RedisSet, type SentinelSet, startCluster, startSentinels } from "../servers/redis-sets.ts";

let server: ModelServer;
let sets: RedisSet[] = [];
let guards: Guarded[] = [];

beforeAll(async () => {
  server = await startModelServer();
});
afterEach(async () => {
  await Promise.all(guards.map((one) => one.stop()));
  guards = [];
  await Promise.all(sets.map((one) => one.close()));
  sets = [];
});
afterAll(() => server.close());

const CAP = 12;

async function begin(store: string): Promise<Guarded> {
  const budgets = [{ scope: { agent: "*" }, per: "month", calls: CAP }] as const;
  const one = await guard(server, { store, budgets, whenStateUnknown: "closed", stateTimeout: "3s" });
  guards.push(one);
  return one;
}

async function statuses(calls: number, ...who: readonly Guarded[]): Promise<number[]> {
  const seen: number[] = [];
  for (let call = 0; call < calls; call++) {
    seen.push((await chat(who[call % who.length] as Guarded, server.url)).status);
  }
  return seen;
}

/** Two processes spend, the server that keeps their sums is killed, and they go on where they were. */
async function failOver(address: string, owner: () => Promise<RedisServer>): Promise<void> {
  server.play(answer(100, 100));
  const [one, two] = [await begin(address), await begin(address)] as const;
  expect(await statuses(6, one, two)).toEqual(Array(6).fill(200));
  const operator = await openRedis(address);
  const trip = { type: "trip", source: "operator", reason: "test", by: "me", ttlMs: 60_000 } as const;
  await changeCircuit(operator, "agent:stopped", trip, Date.now());
  await eventually(async () => expect((await chat(one, server.url, { agent: "stopped" })).status).toBe(402));
  await (await owner()).kill();
  // Nobody stays blocked: both reach the server that takes over.
  for (const each of [one, two]) {
    await eventually(async () => expect((await chat(each, server.url, { agent: "scout" })).status).toBe(200));
  }
  const sent = (await statuses(20, one, two)).filter((status) => status === 200).length;
  // Nothing is forgotten: the cap holds over both servers, and the circuit stays open.
  expect(sent).toBe(CAP - 6);
  expect((await chat(two, server.url, { agent: "stopped" })).status).toBe(402);
  // The operator's own connection finds the new server in its own time.
  await eventually(async () =>
    expect(await operator.circuits()).toMatchObject([{ scope: "agent:stopped", state: "open" }]),
  );
  await eventually(async () => {
    const counts = await operator.counts(10);
    expect(counts.find(({ key }) => key.includes("agent:researcher"))?.spent).toBe(CAP);
  });
  await operator.close();
}

describe.skipIf(NO_REDIS !== undefined)("a cluster of three nodes", () => {
  test("is used whichever node the address names", async () => {
    const cluster = await startCluster();
    sets.push(cluster);
    server.play(answer(100, 100));
    for (const { url } of cluster.servers) {
      const one = await begin(`${url}?prefix=${Math.random()}`);
      expect(await statuses(CAP + 1, one)).toEqual([...Array(CAP).fill(200), 402]);
      expect(one.said).toEqual([expect.stringContaining("refuses calls of agent:researcher")]);
    }
  });

  test("forgets nothing and blocks nobody when the node that owns the slot dies", async () => {
    const cluster = await startCluster(true);
    sets.push(cluster);
    const [first] = cluster.servers as [RedisServer, ...RedisServer[]];
    const prefix = "failover";
    await failOver(`${first.url}?prefix=${prefix}`, async () => {
      const slot = Number(await first.command("CLUSTER", "KEYSLOT", `{${prefix}}:circuits`));
      return cluster.servers[Math.floor(slot / Math.ceil(16_384 / 3))] as RedisServer;
    });
  });
});

/** What docs/stopping.md names for a user of its own. */
const RIGHTS = "+@connection +@pubsub +eval +evalsha +exists +time +hget +hset +hdel +hgetall +del +pexpire +pexpireat";
const MORE_RIGHTS = "+lpush +ltrim +lrange +scan";

test.skipIf(NO_REDIS !== undefined)("a user with rights to the prefix alone is enough", async () => {
  const redis = await startRedis();
  sets.push({ servers: [redis], close: () => redis.kill() });
  const keys = ["~{mine}:*", "resetchannels", "&{mine}:*"];
  const rights = `${RIGHTS} ${MORE_RIGHTS}`.split(" ");
  await redis.command("ACL", "SETUSER", "meter", "reset", "on", ">pass word:1", ...keys, ...rights);
  await redis.command("ACL", "SETUSER", "default", "off");
  server.play(answer(100, 100));
  const address = `redis://meter:pass%20word%3A1@127.0.0.1:${redis.port}?prefix=mine`;
  const one = await begin(address);
  expect(await statuses(CAP + 1, one)).toEqual([...Array(CAP).fill(200), 402]);
  expect(one.said).toEqual([expect.stringContaining("refuses calls of agent:researcher")]);
  const operator = await openRedis(address);
  const trip = { type: "trip", source: "operator", reason: "test", by: "me", ttlMs: 60_000 } as const;
  await changeCircuit(operator, "agent:stopped", trip, Date.now());
  await eventually(async () => expect((await chat(one, server.url, { agent: "stopped" })).status).toBe(402));
  await operator.putMetered("one", [{ day: 0, key: "[]", sums: [1] }]);
  expect(await operator.counts(1)).toMatchObject([{ spent: CAP }]);
  expect(await operator.audit(1)).toHaveLength(1);
  expect(await operator.takeTurn({ key: "t", everyMs: 1_000 })).toBe(0);
  await operator.close();
  await expect(openRedis(address.replace("pass", "fail"))).rejects.toMatchObject({ code: "SPENDFUSE_STORE" });
});

describe.skipIf(NO_REDIS !== undefined)("a set with Sentinels", () => {
  test("forgets nothing and blocks nobody when the primary dies", async () => {
    const set: SentinelSet = await startSentinels();
    sets.push(set);
    const hosts = set.sentinels.map((port) => `127.0.0.1:${port}`).join(",");
    await failOver(`redis+sentinel://${hosts}/main`, async () => set.servers[0] as RedisServer);
  });
});
