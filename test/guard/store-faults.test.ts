// @serial: it measures what passes while a store is slow, and must not be slow itself.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStore } from "../../src/stores/open.ts";
import { type ModelServer, startModelServer } from "../servers/model-server.ts";
import { NO_REDIS, type RedisServer, startRedis } from "../servers/redis.ts";
import { type RedisSet, startCluster } from "../servers/redis-sets.ts";
import { startSlowProxy } from "../servers/slow-proxy.ts";
import { answer, chat, type Guarded, guard } from "./guarded.ts";

const SCALE = Number(process.env.SPENDFUSE_TEST_SCALE ?? 1);
const CAP = 48;
/** Processes that begin, make a few calls and end. */
const SHORT = SCALE > 1 ? 30 : 8;

let server: ModelServer;
let cluster: RedisSet | undefined;
const folder = mkdtempSync(join(tmpdir(), "spendfuse-faults-"));

beforeAll(async () => {
  server = await startModelServer();
  server.play(answer(100, 100));
  if (NO_REDIS === undefined) cluster = await startCluster();
  else console.log(NO_REDIS);
});
afterAll(async () => {
  await server.close();
  await cluster?.close();
  console.log([HEAD, ...rows].map((row) => row.map((cell, at) => cell.padEnd(WIDTHS[at] ?? 0)).join(" ")).join("\n"));
  rmSync(folder, { recursive: true, force: true });
});

/** A store, and what happens to it between the first and the last third of the calls. */
interface Scene {
  readonly address: string;
  /** Undefined for what is as it is from the beginning. */
  begin?(): Promise<unknown> | unknown;
  end?(): Promise<unknown> | unknown;
  close(): Promise<unknown>;
}

interface Fault {
  readonly needs: "redis" | "file" | "tmpfs";
  /** The store is healthy: nobody is refused but by the cap. */
  readonly healthy?: true;
  /** The store loses what it kept: those who are gone cannot say again what they spent. */
  readonly forgets?: true;
  arrange(): Promise<Scene>;
}

async function redisScene(more: (redis: RedisServer) => Omit<Scene, "address" | "close">): Promise<Scene> {
  const redis = await startRedis();
  return {
    address: redis.url,
    ...more(redis),
    async close() {
      redis.resume();
      await redis.kill();
    },
  };
}

async function proxied(roundTripMs: number): Promise<Scene> {
  const redis = await startRedis();
  const proxy = await startSlowProxy(redis.port, roundTripMs);
  return {
    address: `redis://127.0.0.1:${proxy.port}`,
    async close() {
      await proxy.close();
      await redis.kill();
    },
  };
}

async function remove(path: string): Promise<void> {
  for (const end of ["", "-wal", "-shm"]) rmSync(path + end, { force: true });
}

/** A file on a disk of its own that is filled to the last byte. */
async function diskScene(): Promise<Scene> {
  const disk = join(folder, `disk-${Math.random()}`);
  mkdirSync(disk);
  spawnSync("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", disk]);
  const ballast = join(disk, "ballast");
  return {
    address: `file:${join(disk, "spend.db")}`,
    begin: () => spawnSync("dd", ["if=/dev/zero", `of=${ballast}`, "bs=4k", "count=4000"]),
    end: () => rmSync(ballast),
    close: async () => void spawnSync("umount", ["-l", disk]),
  };
}

const FAULTS: Readonly<Record<string, Fault>> = {
  cold: { needs: "redis", healthy: true, arrange: () => redisScene(() => ({})) },
  "60 ms away": { needs: "redis", healthy: true, arrange: () => proxied(60) },
  "200 ms away": { needs: "redis", healthy: true, arrange: () => proxied(200) },
  "not the slot's owner": {
    needs: "redis",
    healthy: true,
    async arrange() {
      const prefix = `${Math.random()}`;
      const [first] = (cluster as RedisSet).servers as [RedisServer];
      const slot = Number(await first.command("CLUSTER", "KEYSLOT", `{${prefix}}:circuits`));
      const other = (Math.floor(slot / Math.ceil(16_384 / 3)) + 1) % 3;
      return { address: `${cluster?.servers[other]?.url}?prefix=${prefix}`, close: async () => {} };
    },
  },
  paused: { needs: "redis", arrange: () => redisScene(({ pause, resume }) => ({ begin: pause, end: resume })) },
  killed: {
    needs: "redis",
    forgets: true,
    arrange: () => redisScene(({ kill, start }) => ({ begin: kill, end: start })),
  },
  "restarted empty": {
    needs: "redis",
    forgets: true,
    arrange: () => redisScene(({ kill, start }) => ({ begin: () => kill().then(start) })),
  },
  "read-only": {
    needs: "redis",
    arrange: () =>
      redisScene(({ command }) => ({
        begin: () => command("REPLICAOF", "127.0.0.1", "1"),
        end: () => command("REPLICAOF", "NO", "ONE"),
      })),
  },
  "out of memory": {
    needs: "redis",
    arrange: () =>
      redisScene(({ command }) => ({
        begin: () => command("CONFIG", "SET", "maxmemory", "1"),
        end: () => command("CONFIG", "SET", "maxmemory", "0"),
      })),
  },
  "malformed values": {
    needs: "redis",
    forgets: true,
    arrange: () =>
      redisScene(({ command }) => ({
        async begin() {
          const keys = (await command("KEYS", "*tally*")).split("\n").filter((key) => key.includes("agent:a"));
          for (const [index, key] of keys.entries()) {
            if (index % 2 === 1) await command("SET", key, "garbage");
            else await command("HSET", key, "base", "many", "h:somebody", "1 2 x 4", "other", "1e300");
          }
          await command("HSET", "{spendfuse}:circuits", "agent:x", '{"state":"open"}', "agent:y", "{");
        },
      })),
  },
  "disk full": { needs: "tmpfs", arrange: diskScene },
  "file deleted": {
    needs: "file",
    forgets: true,
    async arrange() {
      const path = join(folder, `${Math.random()}.db`);
      return { address: `file:${path}`, begin: () => remove(path), close: async () => {} };
    },
  },
};

const hasTmpfs = process.getuid?.() === 0 && spawnSync("mount", ["--version"]).status === 0;

function skips({ needs }: Fault): boolean {
  return needs === "redis" ? NO_REDIS !== undefined : needs === "tmpfs" && !hasTmpfs;
}

const HEAD = ["store", "when unknown", "processes", "billed", "cap", "refused while healthy", "in the store", "ms"];
const WIDTHS = [21, 13, 11, 7, 4, 22, 13];
const rows: string[][] = [];

type When = "open" | "closed";

function begin(address: string, whenStateUnknown: When): Promise<Guarded> {
  const budgets = [
    { scope: { agent: "*" }, per: "month", calls: CAP },
    { name: "all", per: "month", calls: CAP },
  ] as const;
  return guard(server, { store: address, budgets, whenStateUnknown }, true);
}

/** Calls by several processes at once; how many passed, by process. */
async function spend(who: readonly Guarded[], each: number): Promise<number[]> {
  const sent = who.map(() => 0);
  await Promise.all(
    who.flatMap((one, index) =>
      Array.from({ length: each }, async () => {
        const { status } = await chat(one, server.url, { agent: "a" });
        if (status === 200) sent[index] = (sent[index] ?? 0) + 1;
      }),
    ),
  );
  return sent;
}

interface Outcome {
  readonly billed: number;
  /** The most that one process sent. */
  readonly most: number;
  /** Calls that were refused while the cap had room and the store was healthy. */
  readonly refused: number;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

async function runLong(scene: Scene, processes: number, when: When): Promise<Outcome> {
  const who: Guarded[] = [];
  for (let index = 0; index < processes; index++) who.push(await begin(scene.address, when));
  const third = CAP / 3 / processes;
  const first = await spend(who, third);
  await scene.begin?.();
  const second = await spend(who, third);
  await scene.end?.();
  await wait(scene.end ? 2_500 : 100);
  const third_ = await spend(who, CAP);
  const totals = who.map((_, index) => (first[index] ?? 0) + (second[index] ?? 0) + (third_[index] ?? 0));
  const healthy = scene.begin ? sum(first) : sum(first) + sum(second);
  const expected = scene.begin ? CAP / 3 : (CAP * 2) / 3;
  // What passed unseen by the store is reported by now, or on leaving.
  await Promise.all(who.map((one) => one.stop()));
  return { billed: sum(totals), most: Math.max(...totals), refused: expected - healthy };
}

async function runShort(scene: Scene, when: When): Promise<Outcome> {
  let billed = 0;
  let most = 0;
  let refused = 0;
  const each = CAP / SHORT;
  for (let index = 0; index < SHORT + 2; index++) {
    if (index === Math.floor(SHORT / 3)) await scene.begin?.();
    if (index === Math.floor((SHORT * 2) / 3)) {
      await scene.end?.();
      await wait(scene.end ? 500 : 0);
    }
    const one = await begin(scene.address, when);
    const [sent = 0] = await spend([one], Math.ceil(each));
    await one.stop();
    if (!scene.begin && billed + Math.ceil(each) <= CAP) refused += Math.ceil(each) - sent;
    billed += sent;
    most = Math.max(most, sent);
  }
  return { billed, most, refused };
}

/** At the default scale several processes with every fault, one and short ones with some. */
function isRun(name: string, when: When, processes: number): boolean {
  if (SCALE > 1 || processes === 4) return true;
  return processes === 1 ? ALONE.has(name) : when === "closed" && SHORTLY.has(name);
}

const ALONE = new Set(["killed", "disk full", "file deleted", "malformed values"]);
const SHORTLY = new Set(["cold", "out of memory"]);

async function run(name: string, fault: Fault, when: When, processes: number): Promise<void> {
  const isShort = processes === SHORT;
  const scene = await fault.arrange();
  const begun = performance.now();
  const { billed, most, refused } = isShort ? await runShort(scene, when) : await runLong(scene, processes, when);
  const store = await openStore(scene.address);
  const counts = await store.counts(10);
  await store.close();
  await scene.close();
  const kept = counts.find(({ key }) => key.includes("agent:a"))?.spent ?? 0;
  const numbers = [processes, billed, CAP, refused, kept, performance.now() - begun].map((one) => one.toFixed(0));
  rows.push([name, when, ...numbers]);
  expect(most).toBeLessThanOrEqual(CAP);
  if (fault.healthy) expect(billed).toBe(CAP);
  if (fault.healthy || !isShort) expect(refused).toBe(0);
  if (when === "closed" && !(isShort && fault.forgets)) expect(billed).toBeLessThanOrEqual(CAP);
  // Every call is charged, at the latest when the store is back.
  if (!isShort) expect(kept).toBe(billed);
}

const CASES = Object.entries(FAULTS).flatMap(([name, fault]) =>
  (["open", "closed"] as const).flatMap((when) => [1, 4, SHORT].map((processes) => ({ name, fault, when, processes }))),
);

describe.concurrent("a store that is", () => {
  for (const { name, fault, when, processes } of CASES.filter((one) => isRun(one.name, one.when, one.processes))) {
    test.skipIf(skips(fault))(`${name}: ${when}, ${processes} processes`, () => run(name, fault, when, processes));
  }
});
