import type { Nano } from "../core/money.ts";
import type { Book } from "./book.ts";
import type { Names } from "./names.ts";
import { dailyPoint, dailyPoints, type MetricPoint, type PointSink } from "./points.ts";
import type { Settlement } from "./settle.ts";

/** Sends the points that a sink does not have yet: none for an unchanged day. */
export interface Publisher {
  add(settlement: Settlement): Promise<void>;
  /** Sends the rest. Resolves to the total number of points sent. */
  end(): Promise<number>;
}

/** Points a request; Datadog takes 500 KB. */
const BATCH = 1_000;

interface Pending {
  readonly day: number;
  readonly tags: string;
  readonly nano: Nano;
}

/**
 * Days of one vendor as points at the days' starts. Accepted points are recorded after the response: a process that
 * dies in between sends the same points again, which overwrites them.
 */
export function createPublisher(book: Book, sink: PointSink, vendor: string, names: Names): Publisher {
  const pending: Pending[] = [];
  let sent = 0;

  async function flush(): Promise<void> {
    const batch = pending.splice(0, BATCH);
    if (batch.length === 0) return;
    await sink.send(batch.map(({ tags, day, nano }): MetricPoint => dailyPoint(tags, day, nano)));
    for (const [day, points] of Map.groupBy(batch, (point) => point.day))
      book.putPoints(
        sink.name,
        vendor,
        day,
        points.map(({ tags, nano }) => [tags, nano] as const),
      );
    sent += batch.length;
  }

  return {
    async add({ day, lines }) {
      const taken = book.points(sink.name, vendor, day);
      const wanted = dailyPoints(vendor, names, lines);
      for (const [tags, nano] of wanted) if (taken.get(tags) !== nano) pending.push({ day, tags, nano });
      // A point cannot be deleted, so a removed amount is sent as zero.
      for (const [tags, nano] of taken) if (nano !== 0n && !wanted.has(tags)) pending.push({ day, tags, nano: 0n });
      while (pending.length >= BATCH) await flush();
    },
    async end() {
      while (pending.length > 0) await flush();
      return sent;
    },
  };
}
