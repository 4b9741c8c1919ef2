import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";

/** A real Redis on a port of its own, without a disk: what it is not told again after a restart is gone. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  start(): Promise<void>;
  /** At once, with nothing saved. */
  kill(): Promise<void>;
  /** It keeps its connections, and answers nothing until it is resumed. */
  pause(): void;
  resume(): void;
  /** Runs one command, and returns what `redis-cli` prints. */
  command(...words: readonly string[]): Promise<string>;
}

const installed = spawnSync("redis-server", ["--version"]).status === 0;

/** Why the tests that need Redis are skipped; on a machine that must have it they fail instead. */
export const NO_REDIS: string | undefined =
  installed || process.env.CI === "true"
    ? undefined
    : "skipped: redis-server is not installed (apt-get install redis-server)";

const MEMORY_ONLY = ["--save", "", "--appendonly", "no", "--loglevel", "warning", "--bind", "127.0.0.1"];

/** `options`: of the command line of `redis-server`; with a certificate it takes TLS alone. */
export async function startRedis(...options: readonly string[]): Promise<RedisServer> {
  const port = await freePort();
  let running: ChildProcess | undefined;

  async function start(): Promise<void> {
    const listen = options.includes("--tls-cert-file") ? ["--port", "0", "--tls-port"] : ["--port"];
    const args = [...listen, String(port), ...MEMORY_ONLY, ...options];
    const child = spawn("redis-server", args, { stdio: "ignore" });
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
    port,
    start,
    async kill() {
      if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
      const exited = once(running, "exit");
      running.kill("SIGKILL");
      await exited;
    },
    pause: () => void running?.kill("SIGSTOP"),
    resume: () => void running?.kill("SIGCONT"),
    command: (...words) => redisCommand(port, ...words),
  };
}

/** Runs one command on a server, and returns what `redis-cli` prints. */
export async function redisCommand(port: number, ...words: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("redis-cli", ["-h", "127.0.0.1", "-p", String(port), ...words]);
  return stdout.trim();
}

export async function answers(port: number): Promise<boolean> {
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

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
