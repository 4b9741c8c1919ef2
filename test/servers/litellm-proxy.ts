import { spawn } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { APPS } from "../apps/installed.ts";

const APP = join(APPS, "litellm");
const START_MS = 3 * 60_000;

/** One line of the proxy's own log. */
export interface LoggedCost {
  /** What the answer carries as `x-litellm-call-id`. */
  readonly call: string;
  /** USD; null or 0 where the proxy knows no price. */
  readonly usd: number | null;
  /** The answer came out of the cache. */
  readonly hit: boolean;
}

export interface LitellmProxy {
  readonly url: string;
  readonly key: string;
  readonly pid: number;
  /** Waits for the log of a call, which is written after its answer. */
  logged(call: string): Promise<LoggedCost>;
  stop(): Promise<void>;
}

/** Starts a proxy on a port of its own. @param folder An empty one, for its files. */
export async function startLitellm(python: string, folder: string, config: object): Promise<LitellmProxy> {
  const key = "sk-litellm-of-the-test";
  const log = join(folder, "cost.jsonl");
  writeFileSync(log, "");
  cpSync(APP, folder, { recursive: true });
  const settings = { ...config, general_settings: { master_key: key } };
  // JSON is YAML.
  writeFileSync(join(folder, "config.yaml"), JSON.stringify(settings));
  const port = await freePort();
  const args = ["proxy.py", "--config", "config.yaml", "--host", "127.0.0.1", "--port", String(port)];
  const child = spawn(python, args, {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      COST_LOG: log,
      LITELLM_LOCAL_MODEL_COST_MAP: "True",
      LITELLM_TELEMETRY: "False",
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let out = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (out = `${out}${text}`.slice(-4_000)));
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    child.stdin.end();
    await ended;
  };
  if (!(await isReady(url, () => child.exitCode !== null))) {
    await stop();
    throw new Error(`LiteLLM's proxy did not start:\n${out}`);
  }
  return { url, key, pid: child.pid as number, stop, logged: (call) => findLogged(log, call) };
}

async function isReady(url: string, hasEnded: () => boolean): Promise<boolean> {
  for (const end = Date.now() + START_MS; Date.now() < end && !hasEnded(); await wait(200)) {
    const answer = await fetch(`${url}/health/readiness`).catch(() => undefined);
    if (answer?.ok === true) return true;
  }
  return false;
}

async function findLogged(log: string, call: string): Promise<LoggedCost> {
  for (const end = Date.now() + START_MS; Date.now() < end; await wait(50)) {
    const lines = readFileSync(log, "utf8").split("\n").slice(0, -1);
    const found = lines.map((line) => JSON.parse(line) as LoggedCost).find((one) => one.call === call);
    if (found !== undefined) return found;
  }
  throw new Error(`LiteLLM did not log call ${call}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
