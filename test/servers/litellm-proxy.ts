import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { TestContext } from "vitest";
import { APPS, CACHE } from "../apps/installed.ts";
import { run } from "../package/processes.ts";

const APP = join(APPS, "litellm");
const REQUIREMENTS = join(APP, "requirements.txt");
/** An install of 750 MB. */
const INSTALL_MS = 15 * 60_000;
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
  /** Waits for the log of a call, which is written after its answer. */
  logged(call: string): Promise<LoggedCost>;
  stop(): Promise<void>;
}

/**
 * The Python of LiteLLM's virtual environment, installed as its requirements pin it and kept in the user's cache. Where it
 * cannot be installed the test is skipped with the reason; in CI it fails.
 */
export async function needLitellm(context: TestContext): Promise<string> {
  try {
    return join(await installedEnvironment(), "bin/python");
  } catch (error) {
    if (process.env.CI === "true") throw error;
    const [reason = "no reason given"] = (error as Error).message
      .split("\n")
      .filter((line) => /ERROR|ended with|ENOENT/.test(line));
    return context.skip(`LiteLLM cannot be installed: ${reason}`);
  }
}

async function installedEnvironment(): Promise<string> {
  const version = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex").slice(0, 12);
  const kept = join(CACHE, `litellm-${version}`);
  if (existsSync(kept)) return kept;
  mkdirSync(CACHE, { recursive: true });
  const fresh = mkdtempSync(`${kept}-`);
  const options = { cwd: fresh, timeoutMs: INSTALL_MS };
  try {
    await run("python3", ["-m", "venv", fresh], options);
    // Its programs name the folder that they were installed in; Python itself may be moved.
    await run(join(fresh, "bin/python"), ["-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS], options);
    renameSync(fresh, kept);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    if (!existsSync(kept)) throw error;
  }
  return kept;
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
  return { url, key, stop, logged: (call) => findLogged(log, call) };
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
