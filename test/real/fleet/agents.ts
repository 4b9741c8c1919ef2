import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
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

/** What a fleet has spent in units of 1e-9 dollars, by agent. */
export type Spent = Readonly<Record<string, number>>;

/**
 * `count` processes of a host spend side by side on one agent. Then the first ends, another takes its slot at once, and
 * the last exports many times in a second.
 */
export async function spendAsFleet(stage: Stage, count: number, env: Readonly<Record<string, string>>): Promise<Spent> {
  const agents: Agent[] = [];
  const tasks: Task[] = [];
  const spend = (index: number, task: Task): Promise<unknown> => {
    tasks.push(task);
    return (agents[index] as Agent).spend(task);
  };
  // One after another: each has a slot of its own from its start.
  for (let index = 0; index < count; index++) agents.push(await startAgent(stage, env));
  await Promise.all(
    agents.map(async (_, index) => {
      for (let round = 0; round < 4; round++)
        await spend(index, { agent: "researcher", calls: 3, input: 7 + index, output: 3 + round, flushes: true });
    }),
  );
  await (agents[0] as Agent).end();
  agents[0] = await startAgent(stage, env);
  await spend(0, { agent: "researcher", calls: 5, input: 1, output: 1 });
  await spend(0, { agent: "writer", calls: 1, input: 1_001, output: 17 });
  await spend(count - 1, { agent: "researcher", calls: 40, input: 3, output: 1, flushes: true });
  await Promise.all(agents.map((agent) => agent.end()));
  const spent: Record<string, number> = {};
  for (const task of tasks) spent[task.agent] = (spent[task.agent] ?? 0) + costOf(task);
  return spent;
}
