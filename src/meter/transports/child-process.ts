import type * as ChildProcess from "node:child_process";
import { readEnvironment } from "../../config/config.ts";
import type { CallMeter } from "../call/call-meter.ts";
import { isLoaded } from "../wire/channels.ts";
import type { Launch } from "./child-process/command.ts";
import { type Prepared, redirect, withScope } from "./child-process/launch.ts";
import { endedProgram, watchProgram } from "./child-process/watched.ts";
import { hookWorkers } from "./child-process/workers.ts";
import type { Transport } from "./transport.ts";

type Module = typeof ChildProcess;

/** What `ChildProcess.prototype.spawn` is given; `args` begins with the program's own name. */
interface SpawnOptions {
  readonly file: string;
  args?: readonly string[];
  envPairs?: readonly string[];
}

interface Spawner {
  spawn: (this: unknown, options: SpawnOptions) => unknown;
}

const SYNCHRONOUS = ["spawnSync", "execFileSync", "execSync"] as const;

/**
 * Agent programs that the process starts: their calls go through a proxy of ours, in the scope of whoever starts them.
 * Other programs and threads are told that scope, in case that they are hooked themselves.
 */
export const childProcess: Transport = {
  name: "child-process",

  connect(meter: CallMeter, enabled: () => boolean) {
    let restore: (() => void) | undefined;
    return {
      install() {
        if (restore !== undefined) return true;
        const isImported = ["child_process", "worker_threads"].some((name) => isLoaded(name) !== false);
        const [forPrograms, forWorkers] = [
          hook(process.getBuiltinModule("node:child_process"), meter, enabled),
          hookWorkers(process.getBuiltinModule("node:worker_threads"), meter, enabled),
        ];
        restore = () => {
          forWorkers();
          forPrograms();
          syncImports();
        };
        if (isImported) syncImports();
        return true;
      },
      remove() {
        restore?.();
        restore = undefined;
      },
    };
  },
};

/** Returns what takes the hook out again, unless other code has put its own on top. */
function hook(module: Module, meter: CallMeter, enabled: () => boolean): () => void {
  const mutable = module as unknown as Record<string, (...args: unknown[]) => unknown>;
  const spawner = (module.ChildProcess as unknown as { readonly prototype: Spawner }).prototype;
  const { spawn } = spawner;
  let active = true;
  const prepare = (launch: Launch): Prepared =>
    active && enabled()
      ? (meter.faults.guard("request", () => redirect(meter, withScope(meter, launch))) ?? { launch })
      : { launch };

  function ours(this: unknown, options: SpawnOptions): unknown {
    const [name = options.file, ...args] = options.args ?? [];
    const before: Launch = { file: options.file, args, env: fromPairs(options.envPairs ?? []) };
    const prepared = prepare(before);
    const { launch } = prepared;
    const given =
      launch === before ? options : { ...options, args: [name, ...launch.args], envPairs: toPairs(launch.env) };
    const result = spawn.call(this, given);
    meter.faults.guard("request", () =>
      watchProgram(meter.faults, this as ChildProcess.ChildProcess, prepared, result),
    );
    return result;
  }
  spawner.spawn = ours;

  const originals = SYNCHRONOUS.map((name) => [name, mutable[name] as (...args: unknown[]) => unknown] as const);
  const replaced = originals.map(([name, original]) => {
    const { [name]: wrapped } = {
      [name](this: unknown, ...given: unknown[]): unknown {
        const [args, prepared] = name === "execSync" ? preparedCommand(given, prepare) : preparedFile(given, prepare);
        try {
          const result = original.apply(this, args);
          meter.faults.guard("request", () => endedProgram(prepared, result));
          return result;
        } catch (error) {
          meter.faults.guard("request", () => endedProgram(prepared, error));
          throw error;
        }
      },
    };
    mutable[name] = wrapped as (...args: unknown[]) => unknown;
    return [name, original, wrapped] as const;
  });

  return () => {
    active = false;
    if (spawner.spawn === ours) spawner.spawn = spawn;
    for (const [name, original, wrapped] of replaced) if (mutable[name] === wrapped) mutable[name] = original;
  };
}

/** What an ES module has imported by name changes only with this. It reads all exports of all loaded modules. */
function syncImports(): void {
  process.getBuiltinModule("node:module").syncBuiltinESMExports();
}

type Options = { readonly env?: NodeJS.ProcessEnv };

type Prepare = (launch: Launch) => Prepared;

/** The arguments `(file, args?, options?)` of a synchronous launch. */
function preparedFile(given: unknown[], prepare: Prepare): [unknown[], Prepared] {
  const [file, ...rest] = given;
  const args = Array.isArray(rest[0]) ? (rest.shift() as string[]) : [];
  const [options, ...more] = rest as [Options | undefined, ...unknown[]];
  const before: Launch = { file: String(file), args, env: options?.env ?? readEnvironment() };
  const prepared = prepare(before);
  const { launch } = prepared;
  if (launch === before) return [given, prepared];
  return [[file, launch.args, { ...options, env: launch.env }, ...more], prepared];
}

/** The arguments `(command, options?)` of a synchronous launch by a shell. */
function preparedCommand(given: unknown[], prepare: Prepare): [unknown[], Prepared] {
  const [command, options] = given as [unknown, Options | undefined];
  const env = options?.env ?? readEnvironment();
  const before: Launch = { file: "sh", args: ["-c", String(command)], env };
  const prepared = prepare(before);
  const { launch } = prepared;
  return launch === before ? [given, prepared] : [[launch.args[1], { ...options, env: launch.env }], prepared];
}

function fromPairs(pairs: readonly string[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const pair of pairs) {
    // On Windows some names begin with the sign.
    const at = pair.indexOf("=", 1);
    env[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return env;
}

function toPairs(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : `${name}=${value}`));
}
