import { AsyncLocalStorage } from "node:async_hooks";
import { workerData } from "node:worker_threads";
import type { Approval, Approve } from "../../guard/approval.ts";
import { startProxy } from "../../proxy/server.ts";
import { createRuntime } from "../runtime.ts";
import type { AppMessage, ThreadData, ThreadMessage } from "./thread-messages.ts";

const { config, env, upstreams, port, listening, settled } = workerData as ThreadData;

function tell(message: ThreadMessage): void {
  port.postMessage(message);
}

/** The program whose request is passed on. */
const children = new AsyncLocalStorage<string>();
const reached = new Set<string>();

function around<T>(child: string, send: () => T): T {
  if (!reached.has(child)) tell({ type: "reached", child });
  reached.add(child);
  return children.run(child, send);
}

/** An app that does not say in this time that it asks somebody is stopped by `spawnSync`, or ends: the call is refused. */
const ASKED_MS = 1_000;

interface Question {
  readonly answer: (approval: Approval | undefined) => void;
  readonly timer: NodeJS.Timeout;
}

const questions = new Map<number, Question>();
let asked = 0;

const approve: Approve = (blocked, scope) => {
  const id = asked++;
  tell({ type: "ask", id, blocked, scope });
  return new Promise((resolve) => {
    questions.set(id, { answer: resolve, timer: setTimeout(() => settle(id, undefined), ASKED_MS) });
  });
};

function settle(id: number, approval: Approval | undefined): void {
  const question = questions.get(id);
  questions.delete(id);
  clearTimeout(question?.timer);
  question?.answer(approval);
}

port.on("message", (message: AppMessage) => {
  if (message.type === "settle") settleAll();
  else if (message.type === "asked") clearTimeout(questions.get(message.id)?.timer);
  else settle(message.id, message.approval);
});

/** The app waits, and takes in what has been told by then. */
function settleAll(): void {
  runtime.faults.guard("settle", runtime.settleOpen);
  Atomics.add(settled, 0, 1);
  Atomics.notify(settled, 0);
}

/** The meter of this thread. What it settles is accounted for in the thread that started the programs. */
const runtime = createRuntime((line) => tell({ type: "say", line }), {
  call: (call, parts, { accounts }, child) => tell({ type: "call", call, parts, accounts, child }),
  blocked: (scope, reason, mode) => tell({ type: "blocked", scope, reason, mode }),
  approve,
  child: () => children.getStore(),
});
const ready = runtime.start({
  telemetry: false,
  env: { ...env, SPENDFUSE_CONFIG: "{}", SPENDFUSE_QUIET: "1" },
  config: { ...config, transportsOff: [...(config.transportsOff ?? []), "child-process"] },
});
ready.catch((error: Error) => tell({ type: "say", line: error.message }));

startProxy({
  meter: {
    wrapFetch: runtime.wrapFetch,
    scope: runtime.scoping.scope,
    extract: runtime.propagation.extract,
    openSocket: runtime.openSocket,
  },
  port: 0,
  around,
  upstreams,
  env,
  ready,
}).then(
  ({ url }) => publish(Number(new URL(url).port)),
  () => publish(-1),
);

function publish(value: number): void {
  Atomics.store(listening, 0, value);
  Atomics.notify(listening, 0);
}
