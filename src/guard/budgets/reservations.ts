import { setInterval } from "node:timers";
import type { Ask, Spent, Ticket } from "../../limits/gate.ts";
import type { Blocked } from "../blocked.ts";
import { createRefusalError, createRefusalEvent, type RaiseWith } from "../refusal.ts";
import type { Hold } from "./budgets.ts";
import { type Budgets, correctHolds, releaseHolds, settleHolds } from "./budgets.ts";

/** What calls in progress hold. A hold that is never settled expires. */
export interface Reservations {
  /** The ticket of a call. */
  open(holds: readonly Hold[], ask: Ask, now: number): Ticket;
  /** Cuts the streams of the calls for which `why` returns a reason. */
  cut(why: (ask: Ask, holds: readonly Hold[]) => Blocked | undefined): void;
  close(): void;
}

const LEASE_MS = 15 * 60_000;
const SWEEP_MS = 60_000;

/**
 * A place in the ring of what is open, oldest first. A `Set` would do, but its old tables, once in old space, keep calls
 * that have ended until the next full collection.
 */
interface Link {
  previous: Link;
  next: Link;
}

/** One call's hold. A class, so that a call costs one object and no closure. */
class Reservation implements Ticket, Link {
  previous: Link;
  next: Link;
  holds: readonly Hold[];
  readonly at: number;
  readonly ask: Ask;
  readonly #budgets: Budgets;
  /** What was held until the call settled, for as long as that may be corrected. */
  #settled: readonly Hold[] | undefined = undefined;
  #spent: Spent | undefined = undefined;
  #settledAt = 0;
  /** `performance.now()` when it began, where a budget counts seconds. */
  readonly #mark: number;

  constructor(holds: readonly Hold[], ask: Ask, at: number, budgets: Budgets, ring: Link) {
    this.previous = ring.previous;
    this.next = ring;
    ring.previous.next = this;
    ring.previous = this;
    this.holds = holds;
    this.ask = ask;
    this.at = at;
    this.#budgets = budgets;
    this.#mark = budgets.timed ? performance.now() : 0;
  }

  settle(spent: Spent | undefined): void {
    const holds = this.#end();
    this.#settled ??= holds;
    this.#spent = spent;
    this.#settledAt = settleHolds(
      this.#budgets,
      holds,
      spent,
      this.#budgets.timed ? performance.now() - this.#mark : 0,
    );
    this.#budgets.onFreed?.();
  }

  correct(spent: Spent): void {
    const holds = this.#settled;
    if (holds === undefined) return;
    this.#settled = [];
    correctHolds(this.#budgets, holds, this.#spent, spent, this.#settledAt);
  }

  release(): void {
    releaseHolds(this.#budgets, this.#end());
    this.#budgets.onFreed?.();
  }

  /** Frees the holds of a call that has lasted for too long. What it spends still counts when it settles. */
  expire(): void {
    releaseHolds(this.#budgets, this.holds);
    // It is still under way.
    for (const { count } of this.holds) count.open += 1;
    this.holds = this.holds.map(({ count }) => ({ count, amount: 0 }));
    unlink(this);
    this.#budgets.onFreed?.();
  }

  #end(): readonly Hold[] {
    const { holds } = this;
    this.holds = [];
    unlink(this);
    return holds;
  }
}

function createRing(): Link {
  const ring = {} as Link;
  ring.previous = ring;
  ring.next = ring;
  return ring;
}

function unlink(link: Link): void {
  link.previous.next = link.next;
  link.next.previous = link.previous;
  link.previous = link;
  link.next = link;
}

/** What is open now, oldest first. */
function listOpen(ring: Link): Reservation[] {
  const open: Reservation[] = [];
  for (let link = ring.next; link !== ring; link = link.next) open.push(link as Reservation);
  return open;
}

export function createReservations(budgets: Budgets, clock: () => number, raise?: RaiseWith): Reservations {
  const ring = createRing();
  const sweep = setInterval(expire, SWEEP_MS);
  sweep.unref();

  function expire(): void {
    const now = clock();
    for (const reservation of listOpen(ring)) {
      if (now - reservation.at < LEASE_MS) return;
      if (reservation.next !== reservation) reservation.expire();
    }
  }

  return {
    open: (holds, ask, now) => new Reservation(holds, ask, now, budgets, ring),
    cut(why) {
      for (const reservation of listOpen(ring)) {
        const { ask, holds } = reservation;
        const blocked = reservation.next === reservation ? undefined : why(ask, holds);
        if (blocked === undefined) continue;
        ask.cut(createRefusalEvent(blocked, ask.refusal, raise), () => createRefusalError(blocked, raise));
      }
    },
    close: () => clearInterval(sweep),
  };
}
