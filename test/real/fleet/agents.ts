import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readdirSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import { eventually } from "../../eventually.ts";
import { untilArrived } from "../../package/leftovers.ts";
import { environmentOf, type Stage } from "../../package/stage.ts";
import * as wire from "../../servers/formats.ts";

/** Dollars of gpt-5-mini per token, in units of 1e-9: $0.25 and $2 a million. */
const INPUT_NANO = 250;
const OUTPUT_NANO = 2_000;

/** What an agent process is told to do. */
export interface Task {
  readonly agent: string;
  readonly calls: number;
  /** Tokens of each call. */
  readonly input: number;
  readonly output: number;
  /** Whether it exports after each call. */
  readonly flushes?: boolean;
}

export interface Agent {
  /** Does a task to its end; the status of each call. */
  spend(task: Task): Promise<readonly number[]>;
  /** Ends it as a user's app ends: nothing is left to do. */
  end(): Promise<void>;
}

export const costOf = ({ calls, input, output }: Task): number => calls * (input * INPUT_NANO + output * OUTPUT_NANO);

/** The vendor answers with the tokens that a call asks for. */
export function playTokens({ vendor }: Stage): void {
  vendor.play(({ body }) => {
    const { model, metadata } = JSON.parse(body) as { model: string; metadata: wire.Tokens };
    return wire.whole(wire.chatCompletion({ id: "chat-1", model }, { content: "Rhine" }, wire.chatUsage(metadata)));
  });
}

/** Starts a process with spendfuse from the tarball. @param env Its `OTEL_*` and `SPENDFUSE_*`. */
export async function startAgent(stage: Stage, env: Readonly<Record<string, string>>): Promise<Agent> {
  const cwd = join(stage.dir, "empty");
  cpSync(join(import.meta.dirname, "agent.mjs"), join(cwd, "agent.mjs"));
  const child = spawn(process.execPath, ["--import", "spendfuse/register", "agent.mjs"], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, ...environmentOf(stage, "none"), ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface(child.stdout);
  await once(lines, "line");
  return {
    async spend(task) {
      const done = once(lines, "line");
      child.stdin.write(`${JSON.stringify(task)}\n`);
      const [line] = await done;
      return JSON.parse(line) as number[];
    },
    end: () => end(child),
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const closed = once(child, "close");
  child.stdin?.end();
  await closed;
}

/** What a fleet has spent, in units of 1e-9 dollars. */
export interface Spent {
  readonly byAgent: Readonly<Record<string, number>>;
  /** By the tag `process`, of those that a slot is certain for. */
  readonly byProcess: Readonly<Record<string, number>>;
}

/**
 * `count` processes of a host spend side by side on the same agents, and export often. Then the first ends and another takes
 * over its slot; the last exports many times in a second, ends, and another starts at once, while the seconds of its slot
 * are in the future.
 */
export async function spendAsFleet(stage: Stage, count: number, env: Readonly<Record<string, string>>): Promise<Spent> {
  const agents: Agent[] = [];
  const byAgent: Record<string, number> = {};
  const byProcess: Record<string, number> = {};
  const spend = (index: number, task: Task): Promise<unknown> => {
    add(byAgent, task.agent, costOf(task));
    if (task.agent !== LATECOMER) add(byProcess, `${hostname()}-${index}`, costOf(task));
    return (agents[index] as Agent).spend(task);
  };
  for (let index = 0; index < count; index++) {
    agents.push(await startAgent(stage, env));
    // A slot is taken with the first export: so they are numbered as the processes are.
    await spend(index, { agent: "researcher", calls: 1, input: 10_000, output: 1 + index, flushes: true });
  }
  await Promise.all(
    agents.map(async (_, index) => {
      // Each series is idle while the other's is exported.
      for (const [round, agent] of ["researcher", "writer", "researcher", "writer", "researcher"].entries())
        await spend(index, { agent, calls: 2, input: 7 + index, output: 3 + round, flushes: true });
    }),
  );
  await (agents[0] as Agent).end();
  await untilPast(join(env.SPENDFUSE_STATE_DIR as string, "slots"));
  agents[0] = await startAgent(stage, env);
  await spend(0, { agent: "researcher", calls: 5, input: 1, output: 1 });
  // Less than before the restart: a counter that is scraped shows a restart only by its fall.
  await spend(0, { agent: "writer", calls: 1, input: 101, output: 1, flushes: true });
  await spend(count - 1, { agent: "researcher", calls: 40, input: 3, output: 1, flushes: true });
  await (agents[count - 1] as Agent).end();
  agents[count - 1] = await startAgent(stage, env);
  await spend(count - 1, { agent: LATECOMER, calls: 2, input: 77, output: 7 });
  await Promise.all(agents.map((agent) => agent.end()));
  // What a busy machine could not send at the end of a process is sent by the next start.
  const nextStart = async () => (await startAgent(stage, env)).end();
  await untilArrived(env.SPENDFUSE_STATE_DIR as string, () => true, nextStart);
  return { byAgent, byProcess };
}

const LATECOMER = "latecomer";

function add(sums: Record<string, number>, key: string, amount: number): void {
  sums[key] = (sums[key] ?? 0) + amount;
}

/** Waits until the last second that was exported in any slot, which is the time of its file, is over. */
async function untilPast(slots: string): Promise<void> {
  const newest = () => Math.max(...readdirSync(slots).map((file) => statSync(join(slots, file)).mtimeMs));
  await eventually(() => expect(newest()).toBeLessThan(Date.now() - 1_000));
}
