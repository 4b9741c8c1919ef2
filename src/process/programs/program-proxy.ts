import type { MessagePort, Worker } from "node:worker_threads";
import { SCHEMA } from "../../config/compiled.ts";
import type { Config } from "../../config/config.ts";
import type { CallPart, SettledCall } from "../../core/call.ts";
import type { ConfigFile } from "../../core/config-types.ts";
import type { Faults } from "../../core/faults.ts";
import type { Scope, ScopeNode } from "../../core/scope.ts";
import { type Approve, approvalOf } from "../../guard/approval.ts";
import type { Blocked } from "../../guard/blocked.ts";
import type { ProgramAddresses } from "../../meter/call/started-program.ts";
import { writeAddress } from "../../proxy/address.ts";
import { readUpstreams } from "../../proxy/children.ts";
import type { AppMessage, ThreadData, ThreadMessage } from "./thread-messages.ts";

const { existsSync } = process.getBuiltinModule("node:fs");

export interface ProgramProxyOptions {
  readonly config: () => Config;
  /** The scope that we are called in, as baggage. */
  readonly baggage: () => string | undefined;
  readonly adopt: (call: SettledCall, parts: readonly CallPart[], node: ScopeNode) => void;
  readonly blocked: (scope: Scope, reason: Blocked["reason"], mode: string) => void;
  readonly approvers: () => ReadonlySet<Approve>;
  /** A program has sent a request, or a call of it has settled. */
  readonly reached: (child: string, call?: SettledCall) => void;
  readonly say: (message: string) => void;
  readonly faults: Faults;
}

/** The proxy for programs that this process starts. It begins with the first of them, on a thread of its own. */
export interface ProgramProxy {
  /** The addresses for a program that starts in the scope that we are called in; undefined where there is no proxy. */
  addresses(child: string): ProgramAddresses | undefined;
  /** This process is itself behind a proxy of ours, which looks after what it starts. */
  isBehind(): boolean;
  /** Takes in what has settled by now, without waiting. */
  drain(): void;
  /** Settles what is open, because the process ends, and takes that in: the thread ends with it. Waits for the thread. */
  settle(): void;
  close(): Promise<void>;
}

type State =
  | { readonly type: "none" }
  | { readonly type: "failed" }
  | {
      readonly type: "running";
      readonly worker: Worker;
      readonly port: MessagePort;
      readonly settled: Int32Array;
      readonly url: string;
    };

/** The first program waits for the thread; some 150 ms on an idle machine, seconds on a busy one. */
const START_MS = 20_000;

/** At the end of a process: the thread takes less than a millisecond, unless the machine is busy. */
const SETTLE_MS = 500;

/** A thread, because `spawnSync` stops the one that it is called in. */
export function createProgramProxy(options: ProgramProxyOptions): ProgramProxy {
  let state: State = { type: "none" };
  return {
    // It carries the scope of whoever started this process.
    isBehind: () => state.type === "none" && Boolean(options.config().env.SPENDFUSE_PROXY_URL),
    addresses(child) {
      if (state.type === "none") state = start(options, () => (state = { type: "failed" }));
      if (state.type !== "running") return undefined;
      const { url } = state;
      const caller = { baggage: options.baggage(), child };
      return {
        proxy: url,
        openai: writeAddress(url, "openai", caller),
        anthropic: writeAddress(url, "anthropic", caller),
        gemini: writeAddress(url, "gemini", caller),
      };
    },
    drain: () => drain(options, state),
    settle() {
      if (state.type !== "running") return;
      const { port, settled } = state;
      const before = Atomics.load(settled, 0);
      port.postMessage({ type: "settle" } satisfies AppMessage);
      Atomics.wait(settled, 0, before, SETTLE_MS);
      drain(options, state);
    },
    async close() {
      const before = state;
      state = { type: "none" };
      if (before.type !== "running") return;
      drain(options, before);
      before.port.close();
      await before.worker.terminate();
    },
  };
}

function drain(options: ProgramProxyOptions, state: State): void {
  if (state.type !== "running") return;
  const { receiveMessageOnPort } = process.getBuiltinModule("node:worker_threads");
  for (let next = receiveMessageOnPort(state.port); next !== undefined; next = receiveMessageOnPort(state.port)) {
    receive(options, state.port, next.message as ThreadMessage);
  }
}

function receive(options: ProgramProxyOptions, port: MessagePort, message: ThreadMessage): void {
  const { adopt, say, faults } = options;
  switch (message.type) {
    case "say":
      say(message.line);
      return;
    case "reached":
      options.reached(message.child);
      return;
    case "blocked":
      faults.guard("instruments", () => options.blocked(message.scope, message.reason, message.mode));
      return;
    case "ask":
      void answer(options, port, message);
      return;
    case "call": {
      const { call, parts, accounts, child } = message;
      if (child !== undefined) options.reached(child, call);
      // Ids are counted in each thread.
      const settled = { ...call, id: `${call.id}-p` };
      faults.guard("settle", () => adopt(settled, parts, { scope: call.scope, accounts, plan: undefined }));
    }
  }
}

/** Without a listener the answer is there at once. */
async function answer(
  { approvers, faults }: ProgramProxyOptions,
  port: MessagePort,
  { id, blocked, scope }: Extract<ThreadMessage, { type: "ask" }>,
): Promise<void> {
  const tell = (message: AppMessage): void => port.postMessage(message);
  if (approvers().size > 0) tell({ type: "asked", id });
  const approval = await approvalOf(approvers(), blocked, scope, (error) => faults.report("guard", error));
  tell({ type: "answer", id, approval });
}

function start(options: ProgramProxyOptions, onGone: () => void): State {
  const { say } = options;
  const script = threadPath();
  if (script === undefined || !existsSync(script)) {
    say("programs that this process starts are not metered: the file of the proxy's thread is not beside spendfuse");
    return { type: "failed" };
  }
  const config = options.config();
  const [listening, settled] = [sharedInteger(), sharedInteger()];
  const { MessageChannel, Worker } = process.getBuiltinModule("node:worker_threads");
  const { port1, port2 } = new MessageChannel();
  // Preloads are for the app, and not for a thread of ours.
  const { NODE_OPTIONS: _, ...env } = config.env;
  const data: ThreadData = {
    config: keysOf(config),
    env,
    upstreams: { ...readUpstreams(env), ...config.proxy?.upstreams },
    port: port2,
    listening,
    settled,
  };
  const worker = new Worker(script, { workerData: data, transferList: [port2], execArgv: [], env });
  worker.unref();
  worker.on("error", (error) => options.faults.report("request", error));
  worker.on("exit", onGone);
  port1.on("message", (message: ThreadMessage) => receive(options, port1, message));
  port1.unref();
  Atomics.wait(listening, 0, 0, START_MS);
  const port = Atomics.load(listening, 0);
  if (port > 0) return { type: "running", worker, port: port1, settled, url: `http://127.0.0.1:${port}` };
  say("programs that this process starts are not metered: the proxy did not start");
  void worker.terminate();
  return { type: "failed" };
}

function sharedInteger(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
}

/** The configuration's own keys. A breaker in this process is the store's affair, and telemetry this thread's. */
function keysOf(config: Config): ConfigFile {
  const { breaker, ...keys } = Object.fromEntries(
    Object.entries(config).filter(([key]) => Object.hasOwn(SCHEMA.keys, key)),
  ) as ConfigFile;
  return breaker?.url === undefined ? keys : { ...keys, breaker: { url: breaker.url } };
}

/** Undefined where a bundler has taken our file's name away. */
function threadPath(): string | undefined {
  const own = import.meta.filename as string | undefined;
  return own
    ?.replace(/([\\/]programs[\\/])program-proxy\.ts$/, "$1thread.ts")
    .replace(/([\\/])spendfuse-[A-Z0-9]+\.c?js$/, "$1spendfuse-proxy.js")
    .replace(/([\\/])(?:index|register)\.c?js$/, "$1spendfuse-proxy.js");
}
