import { setTimeout as wait } from "node:timers/promises";
import { isBusy } from "./faults.ts";

/** How often an operation is retried while other processes write. */
export const RETRIES = 100;

/**
 * Makes a function that runs an operation at once, or retries it while another process writes. Waiting operations keep
 * their order: an older report must not arrive after a newer one.
 */
export function createTurns(): <T>(run: () => T) => T | Promise<T> {
  let last: Promise<void> | undefined;

  return (run) => {
    if (last === undefined) {
      try {
        return run();
      } catch (error) {
        if (!isBusy(error)) throw error;
      }
    }
    const turn = (last ?? Promise.resolve()).then(() => runLater(run));
    const done = turn.then(noop, noop).then(() => {
      if (last === done) last = undefined;
    });
    last = done;
    return turn;
  };
}

async function runLater<T>(run: () => T): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return run();
    } catch (error) {
      if (!isBusy(error) || tries === RETRIES) throw error;
    }
    await wait(1 + Math.random() * Math.min(tries, 10));
  }
}

function noop(): void {}
