import type * as WorkerThreads from "node:worker_threads";
import { readEnvironment } from "../../../config/config.ts";
import type { CallMeter } from "../../call/call-meter.ts";
import { SCOPE_VARIABLE } from "../../propagation/baggage.ts";

type Module = typeof WorkerThreads;
type WorkerClass = Module["Worker"];

/** Tells threads the scope that they are started in. Returns what takes the hook out again. */
export function hookWorkers(module: Module, meter: CallMeter, enabled: () => boolean): () => void {
  const mutable = module as { Worker: WorkerClass };
  const original = mutable.Worker;
  let active = true;
  const ours: WorkerClass = new Proxy(original, {
    construct(target, [file, options, ...rest], newTarget) {
      const given = active && enabled() ? (withScope(meter, options) ?? options) : options;
      return Reflect.construct(target, [file, given, ...rest], newTarget === ours ? target : newTarget);
    },
  });
  mutable.Worker = ours;
  return () => {
    active = false;
    if (mutable.Worker === ours) mutable.Worker = original;
  };
}

/** Undefined where the options stay: without a scope, and for a thread that shares our environment. */
function withScope(
  meter: CallMeter,
  options: WorkerThreads.WorkerOptions = {},
): WorkerThreads.WorkerOptions | undefined {
  if (typeof options.env === "symbol") return undefined;
  const scope = meter.scopeForChildren();
  const env = options.env ?? readEnvironment();
  return scope === undefined ? undefined : { ...options, env: { ...env, [SCOPE_VARIABLE]: scope } };
}
