import { describe, expect, test } from "vitest";
import { createFaults } from "../../src/core/faults.ts";
import type { PriceQuery, PriceSource } from "../../src/pricing/price.ts";
import { createPriceQueue } from "../../src/pricing/queue.ts";

const BOOK: PriceSource = () => ({ nanoUsd: 7, exact: true });
const QUERY = {} as PriceQuery;

function stage(open: () => Promise<PriceSource> = async () => BOOK, openNow: () => PriceSource = () => BOOK) {
  const faults = createFaults(() => {});
  let opened = 0;
  const counted = () => {
    opened += 1;
    return open();
  };
  const queue = createPriceQueue(counted, openNow, faults);
  const priced: (number | undefined)[] = [];
  return { queue, faults, priced, use: () => priced.push(queue.price(QUERY)?.nanoUsd), opened: () => opened };
}

describe("what needs a price before the book is there", () => {
  test("waits for it, and the book is loaded once, with the first", async () => {
    const { queue, priced, use, opened } = stage();
    expect([opened(), queue.ready, queue.price(QUERY)]).toEqual([0, false, undefined]);
    queue.run(use);
    queue.run(use);
    expect([opened(), priced]).toEqual([1, []]);
    await queue.drained();
    expect([priced, queue.ready]).toEqual([[7, 7], true]);
    queue.run(use);
    expect([opened(), priced]).toEqual([1, [7, 7, 7]]);
    expect(queue.loaded()).toBeUndefined();
  });

  test("can be waited for without anything to price", async () => {
    const { queue, opened } = stage();
    await queue.drained();
    expect(opened()).toBe(0);
    await queue.loaded();
    expect([opened(), queue.ready]).toEqual([1, true]);
  });

  test("goes on without prices when the book does not come, which is counted", async () => {
    const { queue, faults, priced, use } = stage(() => Promise.reject(new Error("no book")));
    queue.run(use);
    await queue.drained();
    expect([priced, queue.ready, faults.counts().get("price")]).toEqual([[undefined], true, 1]);
  });

  test("is priced at once when the process ends, and not again when the book comes", async () => {
    const { queue, priced, use } = stage();
    queue.drainNow();
    expect(queue.ready).toBe(false);
    queue.run(use);
    queue.drainNow();
    expect(priced).toEqual([7]);
    await queue.drained();
    expect(priced).toEqual([7]);
  });

  test("ends unpriced where the book cannot be had at once", () => {
    const { queue, faults, priced, use } = stage(undefined, () => {
      throw new Error("a bundle");
    });
    queue.run(use);
    queue.drainNow();
    expect([priced, faults.counts().get("price")]).toEqual([[undefined], 1]);
  });
});
