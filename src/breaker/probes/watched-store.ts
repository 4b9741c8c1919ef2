import type { Store } from "../../stores/store.ts";

/** What the breaker does on its store; the rest passes unwatched. */
export const OPERATIONS = [
  "exchange",
  "counts",
  "circuits",
  "circuit",
  "putCircuit",
  "changeCap",
  "addAudit",
  "audit",
  "putMetered",
  "recall",
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** The same store. `seen` is told of each operation when it is over: how long it took, in milliseconds, and whether it failed. */
export function watchStore(store: Store, seen: (operation: Operation, ms: number, failed: boolean) => void): Store {
  const watched = OPERATIONS.map((operation) => {
    const run = async (...given: readonly unknown[]): Promise<unknown> => {
      const begun = performance.now();
      let failed = true;
      try {
        const answer = await (store[operation] as (...given: readonly unknown[]) => unknown)(...given);
        failed = false;
        return answer;
      } finally {
        seen(operation, performance.now() - begun, failed);
      }
    };
    return [operation, run] as const;
  });
  return { ...store, ...Object.fromEntries(watched) };
}
