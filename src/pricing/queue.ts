import type { Faults } from "../core/faults.ts";
import type { PriceSource } from "./price.ts";

/** Defers work that needs a price until the price book is loaded. The book is big: it is loaded with the first call. */
export interface PriceQueue {
  /** Starts loading the book, once. */
  load(): void;
  /** Runs `use` now if the book is loaded, else once it is. */
  run(use: () => void): void;
  /** Prices by the book; undefined while it is not loaded. */
  readonly price: PriceSource;
  readonly ready: boolean;
  /** Resolves when the book has loaded or failed to; undefined when it already has. */
  loaded(): Promise<void> | undefined;
  /** Resolves when no work is deferred any more. */
  drained(): Promise<void>;
  /** Runs deferred work now, because the process ends. */
  drainNow(): void;
}

/** `open` loads the book; `openNow` does so synchronously, when the process ends before. */
export function createPriceQueue(
  open: () => Promise<PriceSource>,
  openNow: () => PriceSource,
  faults: Faults,
): PriceQueue {
  let book: PriceSource | undefined;
  let loading: Promise<void> | undefined;
  let waiting: (() => void)[] = [];

  function take(opened: PriceSource): void {
    book = opened;
    queue.ready = true;
    drain();
  }

  function drain(): void {
    const ready = waiting;
    waiting = [];
    for (const use of ready) use();
  }

  function load(): void {
    loading ??= open().then(take, (error: unknown) => {
      faults.report("price", error);
      take(UNPRICED);
    });
  }

  // `ready` is read with each call, so it is no getter.
  const queue: Mutable<PriceQueue> = {
    ready: false,
    load,
    run(use) {
      if (book) use();
      else {
        waiting.push(use);
        load();
      }
    },
    price: (query) => book?.(query),
    loaded() {
      if (book !== undefined) return undefined;
      load();
      return loading;
    },
    async drained() {
      if (waiting.length > 0) await loading;
    },
    drainNow() {
      if (waiting.length === 0) return;
      take(book ?? faults.guard("price", openNow) ?? UNPRICED);
    },
  };
  return queue;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const UNPRICED: PriceSource = () => undefined;
