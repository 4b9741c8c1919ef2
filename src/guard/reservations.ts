import { setInterval } from "node:timers";
import type { Spent, Ticket } from "../core/gate.ts";
import type { Budgets, Hold } from "./budgets.ts";

/** What calls under way hold. A hold is a lease: of a call that never settles it is given back in time. */
export interface Reservations {
  /** The ticket of a call; undefined when it holds nothing. */
  open(holds: readonly Hold[], now: number): Ticket | undefined;
  close(): void;
}

const LEASE_MS = 15 * 60_000;
const SWEEP_MS = 60_000;

/** One call's hold. A class, so that a call costs one object and no closure. */
class Reservation implements Ticket {
  holds: readonly Hold[];
  readonly at: number;
  readonly #budgets: Budgets;
  readonly #open: Set<Reservation>;

  constructor(holds: readonly Hold[], at: number, budgets: Budgets, open: Set<Reservation>) {
    this.holds = holds;
    this.at = at;
    this.#budgets = budgets;
    this.#open = open;
  }

  settle(spent: Spent | undefined): void {
    const { holds } = this;
    this.holds = [];
    this.#open.delete(this);
    this.#budgets.settle(holds, spent);
  }
}

export function createReservations(budgets: Budgets, clock: () => number): Reservations {
  const open = new Set<Reservation>();
  const sweep = setInterval(expire, SWEEP_MS);
  sweep.unref();

  function expire(): void {
    const now = clock();
    for (const reservation of open) {
      if (now - reservation.at < LEASE_MS) return;
      open.delete(reservation);
      budgets.release(reservation.holds);
      // What the call comes to in the end still counts.
      reservation.holds = reservation.holds.map(({ count }) => ({ count, amount: 0 }));
    }
  }

  return {
    open(holds, now) {
      if (holds.length === 0) return undefined;
      const reservation = new Reservation(holds, now, budgets, open);
      open.add(reservation);
      return reservation;
    },
    close: () => clearInterval(sweep),
  };
}
