import { setTimeout } from "node:timers";
import type { SettleEvent } from "../../core/call.ts";
import type { Faults } from "../../core/faults.ts";
import type { OpenCall } from "./open-call.ts";
import type { Tether } from "./tether.ts";

/**
 * Settles calls whose response was garbage collected before it was read to its end. Never throws. Most calls are over
 * before they are {@link YOUNG_MS} old and cost the registry, and the garbage collector, nothing.
 */
export interface AbandonedCalls {
  /** The call then ends when `target` is collected. `isRead`: whether the body was read unobserved by now. */
  watch(target: object, call: OpenCall, isRead?: (target: object) => boolean): void;
  forget(call: OpenCall): void;
  /** Whether the body of the call was read unobserved. */
  isReadUnseen(call: OpenCall): boolean;
}

const YOUNG_MS = 50;

export function createAbandonedCalls(open: Iterable<OpenCall>, faults: Faults): AbandonedCalls {
  const registry = new FinalizationRegistry<OpenCall>((call) => call.settle({ type: "collect", unseen: false }));
  let waiting = false;

  function registerYoung(): void {
    waiting = false;
    for (const call of open) {
      const { tether } = call;
      if (tether?.young) faults.guard("body", () => register(call, tether, tether.young as object));
    }
  }

  function register(call: OpenCall, { isRead }: Tether, target: object): void {
    registry.register(target, call, call);
    call.tether = { young: undefined, weak: isRead && new WeakRef(target), registered: true, isRead };
  }

  function forget(call: OpenCall): void {
    if (call.tether?.registered) faults.guard("body", () => registry.unregister(call));
    call.tether = undefined;
  }

  return {
    forget,
    watch(target, call, isRead) {
      if (call.settled) return;
      if (call.tether?.registered) forget(call);
      call.tether = { young: target, weak: undefined, registered: false, isRead };
      if (waiting) return;
      waiting = true;
      setTimeout(registerYoung, YOUNG_MS).unref();
    },
    isReadUnseen({ tether }) {
      if (tether?.isRead === undefined) return false;
      const target = tether.young ?? tether.weak?.deref();
      return target !== undefined && tether.isRead(target);
    },
  };
}

/** What an error of a body or of fetch means: the caller's own abort or timeout, or a cut. */
export function endOf(error: unknown, { signal }: OpenCall): SettleEvent {
  const name = typeof error === "object" && error !== null ? (error as Error).name : "";
  // An abort may have any reason; then only the signal shows it.
  const own = name === "AbortError" || name === "TimeoutError" || signal?.aborted === true;
  return { type: own ? "cancel" : "error" };
}
