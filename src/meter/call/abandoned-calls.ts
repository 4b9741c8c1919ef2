import { setTimeout } from "node:timers";
import type { SettleEvent } from "../../core/call.ts";
import type { Faults } from "../../core/faults.ts";
import type { Left, OpenCall, Tether } from "./open-call.ts";

/**
 * Settles calls whose response was garbage collected before it was read to its end. Never throws. Most calls are over
 * before they are {@link YOUNG_MS} old and cost the registry, and the collector of garbage, nothing.
 */
export interface Collector {
  watch(target: object, call: OpenCall, left: Left): void;
  forget(call: OpenCall): void;
  /** What the call hangs on, where somebody may be reading it whom we cannot see. */
  unseenTarget(call: OpenCall): object | undefined;
}

const YOUNG_MS = 50;

export function createCollector(
  open: Iterable<OpenCall>,
  onCollected: (call: OpenCall, event: SettleEvent) => void,
  faults: Faults,
): Collector {
  const registry = new FinalizationRegistry<{ readonly call: OpenCall; readonly left: Left }>(({ call, left }) => {
    onCollected(call, { type: "collect", unseen: left === "unseen" });
  });
  let waiting = false;

  function register(call: OpenCall, target: object, left: Left): void {
    registry.register(target, { call, left }, call);
    call.tether = { left, young: undefined, weak: new WeakRef(target) };
  }

  function registerYoung(): void {
    waiting = false;
    for (const call of open) {
      const { young, left } = call.tether ?? NONE;
      if (young) faults.guard("body", () => register(call, young, left));
    }
  }

  function forget(call: OpenCall): void {
    if (call.tether?.weak) faults.guard("body", () => registry.unregister(call));
    call.tether = undefined;
  }

  return {
    forget,
    watch(target, call, left) {
      if (call.settled) return;
      forget(call);
      call.tether = { left, young: target, weak: undefined };
      if (waiting) return;
      waiting = true;
      setTimeout(registerYoung, YOUNG_MS).unref();
    },
    unseenTarget({ tether }) {
      return tether?.left === "unseen" ? (tether.young ?? tether.weak?.deref()) : undefined;
    },
  };
}

const NONE: Tether = { left: "unread", young: undefined, weak: undefined };

/** What an error of a body or of fetch means: the caller's own abort or timeout, or a cut. */
export function endOf(error: unknown, { signal }: OpenCall): SettleEvent {
  const name = typeof error === "object" && error !== null ? (error as Error).name : "";
  // An abort may carry any reason; then only the signal tells.
  const own = name === "AbortError" || name === "TimeoutError" || signal?.aborted === true;
  return { type: own ? "cancel" : "error" };
}
