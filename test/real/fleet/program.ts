import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import type { TestContext } from "vitest";

/** A program ends by itself when the test that started it is gone. */
const LONGEST_LIFE_S = 900;
const START_MS = 120_000;
/** Characters of output that are kept: a mapping prints a line a point. */
const KEPT = 20_000_000;

export interface Program {
  readonly pid: number;
  /** The end of what it printed on both outputs. */
  output(): string;
  /** Asks it to read its configuration again. */
  reload(): void;
  stop(): Promise<void>;
}

export interface ProgramOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  isReady(output: string): boolean | Promise<boolean>;
}

/** Starts a program and waits until it is ready. @throws Error with its output when it ends before. */
export async function startProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<Program> {
  const { cwd, env = {}, isReady } = options;
  const child = spawn("timeout", ["--foreground", String(LONGEST_LIFE_S), command, ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (text) => (output = `${output}${text}`.slice(-KEPT)));
  const program: Program = {
    pid: child.pid as number,
    output: () => output,
    // timeout passes it on.
    reload: () => child.kill("SIGHUP"),
    stop: () => end(child),
  };
  for (const last = Date.now() + START_MS; Date.now() < last && child.exitCode === null; await wait(50))
    if (await isReady(output)) return program;
  await program.stop();
  throw new Error(`${command} did not start:\n${output.slice(-4_000)}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGTERM");
  await closed;
}

/** Whether a server answers 200. */
export async function answers(url: string): Promise<boolean> {
  const answer = await fetch(url).catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.status === 200;
}

/** A program that the machine must have. Where it has not the test is skipped with the reason; in CI it fails. */
export function needProgram(context: TestContext, name: string): string {
  if (spawnSync(name, ["--version"]).status === 0) return name;
  if (process.env.CI === "true") throw new Error(`${name} is not installed`);
  return context.skip(`${name} is not installed`);
}
