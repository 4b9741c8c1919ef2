import { type ChildProcess, fork } from "node:child_process";

/** A way of running a program of `programs/`: its arguments. */
export type Variant = readonly string[];

export interface PairedOptions {
  /** Turns of each variant that are measured. */
  readonly turns: number;
  /** Turns before that, until the code is compiled. */
  readonly warmUp: number;
  /** How often the processes are started anew: one compilation may come out better than another. */
  readonly processes: number;
}

/**
 * Runs variants of a program side by side, each in a process of its own so that none runs on code compiled for another,
 * turn by turn so that a busy machine hits all alike. Returns the CPU microseconds of each turn, variants in columns.
 */
export async function measurePaired(
  program: string,
  variants: readonly Variant[],
  { turns, warmUp, processes }: PairedOptions,
): Promise<number[][]> {
  const rows: number[][] = [];
  for (let set = 0; set < processes; set++) {
    const children = variants.map((args) => startProgram(program, args));
    try {
      for (let turn = -warmUp; turn < turns; turn++) {
        const row = new Array<number>(children.length).fill(0);
        const order = [...children.keys()];
        if (turn % 2 === 0) order.reverse();
        for (const index of order) row[index] = await takeTurn(children[index] as ChildProcess);
        if (turn >= 0) rows.push(row);
      }
    } finally {
      for (const child of children) child.disconnect();
    }
  }
  return rows;
}

/** The environment of a user who has configured nothing. */
export function plainEnvironment(): Record<string, string | undefined> {
  const env: Record<string, string | undefined> = { ...process.env, NODE_OPTIONS: undefined };
  for (const name of Object.keys(env)) if (/^(OTEL|DD|SPENDFUSE)_/.test(name)) delete env[name];
  return env;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}

function startProgram(program: string, args: Variant): ChildProcess {
  const path = new URL(`programs/${program}.ts`, import.meta.url);
  return fork(path, args, { env: plainEnvironment() as NodeJS.ProcessEnv, execArgv: [] });
}

function takeTurn(child: ChildProcess): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const ended = (code: number | null): void => reject(new Error(`a measured program ended with ${code}`));
  child.once("exit", ended);
  child.once("message", (spent) => {
    child.off("exit", ended);
    resolve(spent as number);
  });
  child.send("turn");
  return promise;
}
