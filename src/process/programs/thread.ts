import { workerData } from "node:worker_threads";
import { startProxy } from "../../proxy/server.ts";
import { createRuntime } from "../runtime.ts";
import type { ThreadData, ThreadMessage } from "./program-proxy.ts";

const { config, env, upstreams, port, listening } = workerData as ThreadData;

function tell(message: ThreadMessage): void {
  port.postMessage(message);
}

/** The meter of this thread. What it settles is accounted for in the thread that started the programs. */
const runtime = createRuntime(
  (line) => tell({ type: "say", line }),
  (call, parts, { accounts }) => tell({ type: "call", call, parts, accounts }),
);
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
