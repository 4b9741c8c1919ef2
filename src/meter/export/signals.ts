const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** Time for a signal that we raised again to end the process. As process 1 of a container it does not. */
const SURVIVED_MS = 100;

/**
 * Runs `last` before a signal ends the process, and then raises that signal again. Our listener is there only while
 * nobody else listens: a program that does decides itself, and libraries that compare the number of listeners with
 * their own find only their own. Returns a function that removes it.
 */
export function listenToSignals(last: () => void): () => void {
  const ours = new Map<string | symbol, () => void>();
  let removing = false;

  for (const signal of SIGNALS) {
    ours.set(signal, () => {
      // Another listener was added without our noticing.
      if (process.listenerCount(signal) > 1) return;
      remove(signal);
      last();
      process.kill(process.pid, signal);
      setTimeout(() => add(signal), SURVIVED_MS).unref();
    });
  }

  function add(signal: string | symbol): void {
    const listener = ours.get(signal);
    if (listener && process.listenerCount(signal) === 0) process.on(signal as NodeJS.Signals, listener);
  }

  function remove(signal: string | symbol): void {
    const listener = ours.get(signal);
    if (!listener) return;
    removing = true;
    process.off(signal as NodeJS.Signals, listener);
    removing = false;
  }

  /**
   * Comes before the listener is there. Ours goes when it is: without any, Node stops to watch the signal, and one that has
   * arrived by then, while the program was busy, would be lost.
   */
  const onAdded = (signal: string | symbol, listener: unknown): void => {
    if (ours.has(signal) && listener !== ours.get(signal)) queueMicrotask(() => giveWay(signal));
  };
  function giveWay(signal: string | symbol): void {
    if (process.listenerCount(signal) > 1) remove(signal);
  }

  /** Comes when the listener is gone. */
  const onRemoved = (signal: string | symbol): void => {
    if (!removing) add(signal);
  };

  for (const signal of SIGNALS) add(signal);
  process.on("newListener", onAdded);
  process.on("removeListener", onRemoved);
  return () => {
    process.off("newListener", onAdded);
    process.off("removeListener", onRemoved);
    for (const signal of SIGNALS) remove(signal);
    ours.clear();
  };
}
