import type { Nano } from "../core/money.ts";
import type { BillLine } from "./reconcile/reconcile.ts";

/** Metered but not billed, not billed yet, or never to be: left out of the comparison. */
export function unbilledOf({ late = 0n, not_billed = 0n, plan = 0n }: BillLine["reasons"]): Nano {
  return -(late + not_billed + plan);
}

/** Billed and metered amounts of the same calls. */
export interface Compared {
  readonly billed: Nano;
  readonly metered: Nano;
  /** Part of `billed` that no metered call explains. */
  readonly ungoverned: Nano;
  /** Part of `metered` that is not on the bill, or not yet. */
  readonly unbilled: Nano;
}

/** Governed bill over the metered cost of the same calls, less 1; undefined where nothing was metered. */
export function driftOf({ billed, metered, ungoverned, unbilled }: Compared): number | undefined {
  const same = metered - unbilled;
  if (same <= 0n) return undefined;
  return Number(((billed - ungoverned - same) * 1_000_000_000n) / same) / 1e9;
}
