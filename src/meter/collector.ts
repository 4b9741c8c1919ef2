import type { SettleEvent } from "../core/call.ts";
import type { Faults } from "./faults.ts";
import type { OpenCall } from "./open-call.ts";

/** What is known when a response is garbage collected: nobody read it, or somebody whom we could not see. */
type Left = "unread" | "unseen" | "dropped";

/** Settles calls whose response was garbage collected before it was read to its end. Never throws. */
export interface Collector {
  watch(target: object, call: OpenCall, left: Left): void;
  /** The call now ends with another object. */
  move(from: object, to: object, call: OpenCall, left: Left): void;
  forget(call: OpenCall): void;
}

export function createCollector(onCollected: (call: OpenCall, event: SettleEvent) => void, faults: Faults): Collector {
  const registry = new FinalizationRegistry<{ readonly call: OpenCall; readonly left: Left }>(({ call, left }) => {
    onCollected(call, { type: "collect", unseen: left === "unseen" });
  });
  return {
    watch(target, call, left) {
      faults.guard("body", () => registry.register(target, { call, left }, call));
    },
    move(_from, to, call, left) {
      faults.guard("body", () => {
        registry.unregister(call);
        registry.register(to, { call, left }, call);
      });
    },
    forget(call) {
      faults.guard("body", () => registry.unregister(call));
    },
  };
}

/** What an error of a body or of fetch means: the caller's own abort or timeout, or a cut. */
export function endOf(error: unknown, { signal }: OpenCall): SettleEvent {
  const name = typeof error === "object" && error !== null ? (error as Error).name : "";
  // An abort may carry any reason; then only the signal tells.
  const own = name === "AbortError" || name === "TimeoutError" || signal?.aborted === true;
  return { type: own ? "cancel" : "error" };
}
