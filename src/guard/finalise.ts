import { AsyncLocalStorage } from "node:async_hooks";

const finalising = new AsyncLocalStorage<true>();

/** Runs `fn` with the calls in it allowed to use what a budget keeps for finalisation. */
export function finalise<T>(fn: () => T): T {
  return finalising.run(true, fn);
}

export function isFinalising(): boolean {
  return finalising.getStore() === true;
}
