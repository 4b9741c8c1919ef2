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

/** One call's hold. A class, so that a call costs one object and no closure. */
class Reservation implements Ticket {
  holds: readonly Hold[];
  readonly at: number;
  readonly ask: Ask;
  readonly #budgets: Budgets;
  readonly #open: Set<Reservation>;
  /** What was held until the call settled, for as long as that may be corrected. */
  #settled: readonly Hold[] | undefined = undefined;
  #spent: Spent | undefined = undefined;
  #settledAt = 0;
  /** `performance.now()` when it began, where a budget counts seconds. */
  readonly #mark: number;

  constructor(holds: readonly Hold[], ask: Ask, at: number, budgets: Budgets, open: Set<Reservation>) {
    this.holds = holds;
    this.ask = ask;
    this.at = at;
    this.#budgets = budgets;
    this.#open = open;
    this.#mark = budgets.timed ? performance.now() : 0;
  }

  settle(spent: Spent | undefined): void {
    const { holds } = this;
    this.holds = [];
    this.#open.delete(this);
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
    const { holds } = this;
    this.holds = [];
    this.#open.delete(this);
    releaseHolds(this.#budgets, holds);
    this.#budgets.onFreed?.();
  }
}

export function createReservations(budgets: Budgets, clock: () => number, raise?: RaiseWith): Reservations {
  const open = new Set<Reservation>();
  const sweep = setInterval(expire, SWEEP_MS);
  sweep.unref();

  function expire(): void {
    const now = clock();
    for (const reservation of open) {
      if (now - reservation.at < LEASE_MS) return;
      open.delete(reservation);
      releaseHolds(budgets, reservation.holds);
      // It is still under way.
      for (const { count } of reservation.holds) count.open += 1;
      // What the call spends still counts when it settles.
      reservation.holds = reservation.holds.map(({ count }) => ({ count, amount: 0 }));
      budgets.onFreed?.();
    }
  }

  return {
    open(holds, ask, now) {
      const reservation = new Reservation(holds, ask, now, budgets, open);
      open.add(reservation);
      return reservation;
    },
    cut(why) {
      for (const { ask, holds } of open) {
        const blocked = why(ask, holds);
        if (blocked === undefined) continue;
        ask.cut(createRefusalEvent(blocked, ask.refusal, raise), () => createRefusalError(blocked, raise));
      }
    },
    close: () => clearInterval(sweep),
  };
}
