import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

/** A real Redis on a port of its own, without a disk: what it is not told again after a restart is gone. */
export interface RedisServer {
  readonly url: string;
  start(): Promise<void>;
  /** At once, with nothing saved. */
  kill(): Promise<void>;
}

const installed = spawnSync("redis-server", ["--version"]).status === 0;

/** Why the tests that need Redis are skipped; on a machine that must have it they fail instead. */
export const NO_REDIS: string | undefined =
  installed || process.env.CI === "true"
    ? undefined
    : "skipped: redis-server is not installed (apt-get install redis-server)";

export async function startRedis(): Promise<RedisServer> {
  const port = await freePort();
  let running: ChildProcess | undefined;

  async function start(): Promise<void> {
    const child = spawn(
      "redis-server",
      ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--loglevel", "warning"],
      { stdio: "ignore" },
    );
    child.on("error", () => {});
    running = child;
    for (let attempt = 0; attempt < 200; attempt++) {
      if (await answers(port)) return;
      await wait(25);
    }
    throw new Error("redis-server does not answer");
  }

  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    start,
    async kill() {
      if (running === undefined || running.exitCode !== null) return;
      const exited = once(running, "exit");
      running.kill("SIGKILL");
      await exited;
    },
  };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
