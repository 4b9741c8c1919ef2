import { correctionsOf } from "../../core/late/correction.ts";
import { type LateCall, type LateSettlement, POLLER } from "../../core/late/late-call.ts";
import type { MetricName } from "../../core/names.ts";
import { recordKey } from "../../core/record-key.ts";
import type { Store } from "../../stores/store.ts";
import type { Book } from "../book.ts";
import type { MetricPoint, PointSink } from "../points.ts";
import { LATE_MS } from "./settle-late.ts";

/** The book's name for what belongs to no vendor. */
const BOOK_NAME = "late figures";
/** The value of the tag `process`: no process that meters has this name. */
const PROCESS = "poll";
const BATCH = 1_000;

/**
 * The time that the settlements of a new round carry, in milliseconds since the epoch. Each round has a second of its
 * own, because of two points of a series in one second only the last counts.
 */
export function nextRoundAt(book: Book, now: number): number {
  const last = book.fact<number>(BOOK_NAME, "round at") ?? 0;
  const at = Math.max(Math.floor(now / 1_000), Math.floor(last / 1_000) + 1) * 1_000;
  book.putFact(BOOK_NAME, "round at", at);
  return at;
}

/**
 * Sends the corrections of the poller's settlements that a sink does not have yet. They are recorded after the response:
 * a process that dies in between sends the same points again, which overwrites them. Resolves to the number of points.
 */
export async function publishCorrections(
  book: Book,
  sink: PointSink,
  store: Pick<Store, "late">,
  now: number,
): Promise<number> {
  const name = `told ${sink.name}`;
  const told = book.fact<number>(BOOK_NAME, name) ?? 0;
  const { calls, settlements } = await store.late(now - 2 * LATE_MS, now + 60_000);
  const due = calls.flatMap((call) => {
    const settlement = settlements.get(call.id);
    return settlement?.by === POLLER && settlement.at > told ? [[call, settlement] as const] : [];
  });
  if (due.length === 0) return 0;
  const points = pointsOf(due);
  for (let at = 0; at < points.length; at += BATCH) await sink.send(points.slice(at, at + BATCH));
  book.putFact(BOOK_NAME, name, Math.max(...due.map(([, { at }]) => at)));
  return points.length;
}

/** One point for each round and series. */
export function pointsOf(settled: readonly (readonly [LateCall, LateSettlement])[]): readonly MetricPoint[] {
  const sums = new Map<string, { metric: MetricName; tags: MetricPoint["tags"]; at: number; amount: number }>();
  for (const [call, settlement] of settled)
    for (const { metric, tags, amount } of correctionsOf(call.group, call, settlement, PROCESS)) {
      const key = JSON.stringify([settlement.at, metric.name, recordKey(tags)]);
      const sum = sums.get(key);
      if (sum === undefined) sums.set(key, { metric, tags, at: settlement.at, amount });
      else sum.amount += amount;
    }
  return [...sums.values()].map(({ metric, tags, at, amount }) => ({
    metric,
    tags,
    at,
    value: metric.unit === "USD" ? amount / 1e9 : amount,
  }));
}
