import { join } from "node:path";
import { normalizeTag } from "../../../core/scope.ts";
import { lazySlot } from "./slots.ts";

export type LazySlot = ReturnType<typeof lazySlot>;

const slots = new Map<string | undefined, LazySlot>();

/** This process's slot on this host, one however many runtimes it has. Claimed when its name is first asked for. */
export function hostSlot(stateDir: string | undefined): LazySlot {
  let slot = slots.get(stateDir);
  if (slot === undefined) {
    slot = lazySlot({
      dir: stateDir && join(stateDir, "slots"),
      host: normalizeTag(process.getBuiltinModule("node:os").hostname()),
      pid: process.pid,
      thread: process.getBuiltinModule("node:worker_threads").threadId,
      now: Date.now,
    });
    slots.set(stateDir, slot);
  }
  return slot;
}
