import { windowStart } from "../../core/ledger.ts";
import type { Route } from "../../http/exchange.ts";
import type { Store } from "../../stores/store.ts";

/** How long a write that went well counts, in milliseconds: anyone may ask, and each must not be a write. */
const FRESH_MS = 1_000;
/** A row that no reader takes for spend. */
const PROBE = { holder: "readyz", key: "readyz", sums: [] };

/** Whether the store can be read. Where it cannot, the route throws, and the answer is 503. */
export function createHealthRoute(store: Store): Route {
  return async () => {
    await store.circuit("all");
    return { status: 200, body: { ok: true } };
  };
}

/** Whether the store can be read and written. Where it cannot, the route throws, and the answer is 503. */
export function createReadyRoute(store: Store, clock: () => number): Route {
  let writtenAt = Number.NEGATIVE_INFINITY;
  return async () => {
    const now = clock();
    await store.circuit("all");
    if (!(now >= writtenAt && now - writtenAt < FRESH_MS)) {
      await store.putMetered(PROBE.holder, [{ day: windowStart("day", now), key: PROBE.key, sums: PROBE.sums }]);
      writtenAt = now;
    }
    return { status: 200, body: { ok: true } };
  };
}
