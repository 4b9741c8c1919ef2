import { AsyncLocalStorage } from "node:async_hooks";

const finalising = new AsyncLocalStorage<true>();

/**
 * Runs `fn` with the calls in it allowed to use what a budget keeps for finalisation, so that an agent whose budget is
 * used up can still write down what it found. The cap itself holds.
 */
export function finalise<T>(fn: () => T): T {
  return finalising.run(true, fn);
}

export function isFinalising(): boolean {
  return finalising.getStore() === true;
}
