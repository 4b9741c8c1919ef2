import { setInterval } from "node:timers";
import type { Ticket } from "../core/gate.ts";
import type { Budgets, Hold } from "./budgets.ts";

/** What calls under way hold. A hold is a lease: of a call that never settles it is given back in time. */
export interface Reservations {
  /** The ticket of a call; undefined when it holds nothing. */
  open(holds: readonly Hold[]): Ticket | undefined;
  close(): void;
}

interface Reservation extends Ticket {
  holds: readonly Hold[];
  readonly at: number;
}

const LEASE_MS = 15 * 60_000;
const SWEEP_MS = 60_000;

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
    open(holds) {
      if (holds.length === 0) return undefined;
      const reservation: Reservation = {
        holds,
        at: clock(),
        settle(spent) {
          const own = reservation.holds;
          reservation.holds = [];
          open.delete(reservation);
          budgets.settle(own, spent);
        },
      };
      open.add(reservation);
      return reservation;
    },
    close: () => clearInterval(sweep),
  };
}
