import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { answers, freePort, type RedisServer, redisCommand, startRedis } from "./redis.ts";

/** Several servers that work together. */
export interface RedisSet {
  /** Primaries first, then replicas, in the same order. */
  readonly servers: readonly RedisServer[];
  close(): Promise<void>;
}

const SLOTS = 16_384;
const ATTEMPTS = 200;

/** A cluster of three primaries, each with a replica where `replicas` says so. */
export async function startCluster(replicas = false): Promise<RedisSet> {
  const folder = mkdtempSync(join(tmpdir(), "spendfuse-cluster-"));
  const servers: RedisServer[] = [];
  for (let node = 0; node < (replicas ? 6 : 3); node++) {
    const own = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--dir", folder];
    servers.push(await startRedis(...own, "--cluster-config-file", `${node}.conf`, "--repl-diskless-sync-delay", "0"));
  }
  const [first, ...others] = servers as [RedisServer, ...RedisServer[]];
  for (const { port } of others) await first.command("CLUSTER", "MEET", "127.0.0.1", String(port));
  const part = Math.ceil(SLOTS / 3);
  for (let node = 0; node < 3; node++) {
    const last = Math.min((node + 1) * part, SLOTS) - 1;
    await servers[node]?.command("CLUSTER", "ADDSLOTSRANGE", String(node * part), String(last));
  }
  await until(async () => (await first.command("CLUSTER", "NODES")).split("\n").length === servers.length);
  for (let node = 3; node < servers.length; node++) {
    const id = await servers[node - 3]?.command("CLUSTER", "MYID");
    await until(async () => (await servers[node]?.command("CLUSTER", "REPLICATE", String(id))) === "OK");
  }
  for (const server of servers) {
    await until(async () => (await server.command("CLUSTER", "INFO")).includes("cluster_state:ok"));
  }
  for (const server of servers.slice(3)) await untilLinked(server);
  return { servers, close: () => closeAll(servers, folder) };
}

/** A primary and a replica, watched by three Sentinels under the name `main`. */
export interface SentinelSet extends RedisSet {
  readonly sentinels: readonly number[];
}

export async function startSentinels(): Promise<SentinelSet> {
  const folder = mkdtempSync(join(tmpdir(), "spendfuse-sentinel-"));
  const primary = await startRedis("--repl-diskless-sync-delay", "0");
  const replica = await startRedis("--replicaof", `127.0.0.1 ${primary.port}`, "--repl-diskless-sync-delay", "0");
  await untilLinked(replica);
  const sentinels: number[] = [];
  const children: ChildProcess[] = [];
  for (let index = 0; index < 3; index++) {
    const port = await freePort();
    const path = join(folder, `${index}.conf`);
    const lines = [
      `port ${port}`,
      "bind 127.0.0.1",
      `sentinel monitor main 127.0.0.1 ${primary.port} 2`,
      "sentinel down-after-milliseconds main 500",
      "sentinel failover-timeout main 2000",
    ];
    writeFileSync(path, `${lines.join("\n")}\n`);
    children.push(spawn("redis-server", [path, "--sentinel"], { stdio: "ignore" }));
    await until(() => answers(port));
    sentinels.push(port);
  }
  await until(async () => {
    const known = await Promise.all(sentinels.map((port) => redisCommand(port, "SENTINEL", "CKQUORUM", "main")));
    return known.every((text) => text.startsWith("OK 3"));
  });
  return {
    servers: [primary, replica],
    sentinels,
    async close() {
      for (const child of children) child.kill("SIGKILL");
      await closeAll([primary, replica], folder);
    },
  };
}

function untilLinked(replica: RedisServer): Promise<void> {
  return until(async () => (await replica.command("INFO", "replication")).includes("master_link_status:up"));
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await holds().catch(() => false)) return;
    await wait(50);
  }
  throw new Error("the servers do not find together");
}

async function closeAll(servers: readonly RedisServer[], folder: string): Promise<void> {
  await Promise.all(servers.map((server) => server.kill()));
  rmSync(folder, { recursive: true, force: true });
}
