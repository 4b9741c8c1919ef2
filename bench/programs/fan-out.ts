import { type ChildProcess, fork } from "node:child_process";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { startBreaker } from "../../src/breaker/server.ts";
import { openMemory } from "../../src/stores/memory.ts";
import { openRedis } from "../../src/stores/redis/store.ts";
import { startRedis } from "../../test/servers/redis.ts";

/**
 * How long a webhook takes to reach the last of many processes: `fan-out.ts PROCESSES ROUNDS`. A bare event stream, the
 * breaker's event stream, and Redis take turns; each webhook is one POST over loopback. Prints milliseconds.
 */
const [processes = 100, rounds = 100] = process.argv.slice(2).map(Number);
const LISTENER = fileURLToPath(new URL("listener.ts", import.meta.url));

/** What the breaker adds to this is what is measured. */
function startBare(): Promise<{ url: string; close: () => void }> {
  const listeners = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    if (request.method === "GET") {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(":\n\n");
      response.socket?.setNoDelay(true);
      listeners.add(response);
      return;
    }
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { scope } = JSON.parse(Buffer.concat(chunks).toString()) as { scope: string };
      const event = Buffer.from(`event: circuit\ndata: ${JSON.stringify({ scope, state: "open" })}\n\n`);
      for (const listener of listeners) listener.write(event);
      response.end("{}");
    });
  });
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      resolve({ url, close: () => server.closeAllConnections() });
    }),
  );
}

const redis = await startRedis();
const bare = await startBare();
const byEvents = await startBreaker({ store: openMemory(), port: 0 });
const byRedis = await startBreaker({ store: await openRedis(redis.url), port: 0 });
const ways = {
  bare: `${bare.url}/webhooks/datadog`,
  events: `${byEvents.url}/webhooks/datadog`,
  redis: `${byRedis.url}/webhooks/datadog`,
};

let reached = (_scope: string, _at: bigint): void => {};
const children: ChildProcess[] = [];
const standing: Promise<void>[] = [];
for (let index = 0; index < processes; index++) {
  const child = fork(LISTENER, [bare.url, byEvents.url, redis.url], { execArgv: ["--no-warnings"] });
  children.push(child);
  standing.push(
    new Promise((resolve, reject) => {
      child.on("message", (message: { ready?: true; scope: string; at: string }) => {
        if (message.ready) resolve();
        else reached(message.scope, BigInt(message.at));
      });
      child.on("exit", (code) => reject(new Error(`a listener ended with ${code}`)));
    }),
  );
  // Not all at once: they would time out before they stand.
  if (index % 10 === 9) await Promise.all(standing);
}
await Promise.all(standing);

async function measure(way: keyof typeof ways, round: number): Promise<number> {
  const scope = `agent:${way}-${round}`;
  const last = Promise.withResolvers<bigint>();
  let left = processes;
  let latest = 0n;
  reached = (which, at) => {
    if (which !== scope) return;
    if (at > latest) latest = at;
    left -= 1;
    if (left === 0) last.resolve(latest);
  };
  const body = JSON.stringify({
    v: 1,
    monitor: "1",
    event: `${round}`,
    transition: "Triggered",
    cycle: `${round}`,
    scope,
    tags: "",
    at: Date.now(),
    org: "1",
  });
  const began = process.hrtime.bigint();
  await (await fetch(ways[way], { method: "POST", headers: { "content-type": "application/json" }, body })).text();
  return Number((await last.promise) - began) / 1e6;
}

const rows = { bare: [] as number[], events: [] as number[], redis: [] as number[] };
const names = Object.keys(ways) as (keyof typeof ways)[];
for (let round = -10; round < rounds; round++) {
  // Each way comes first, second and last as often.
  for (let turn = 0; turn < names.length; turn++) {
    const way = names[(turn + Math.abs(round)) % names.length] as keyof typeof ways;
    const ms = await measure(way, round);
    if (round >= 0) rows[way].push(ms);
  }
}
for (const child of children) {
  child.removeAllListeners("exit");
  child.kill("SIGKILL");
}
await redis.kill();
process.stdout.write(JSON.stringify(rows), () => process.exit());
