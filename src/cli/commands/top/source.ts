import type { TOP_GROUPINGS } from "../top.ts";

/** What rows stand for. */
export type Grouping = (typeof TOP_GROUPINGS)[number];

/** Totals of one agent, or of another name, since the source began to count. */
export interface Total {
  calls: number;
  /** Of all kinds. */
  tokens: number;
  /** Nano-USD. */
  nano: number;
  /** Calls whose usage is estimated or unknown, or that have no full price. */
  inexact: number;
}

/** Where the figures come from. To add one, write a file beside this one and choose it in `run.ts`. */
export interface Source {
  /** For the head: `redis, since midnight UTC`. */
  readonly title: string;
  /** Totals by name. */
  read(): Promise<ReadonlyMap<string, Total>>;
  close(): Promise<void>;
}

export function totalOf(totals: Map<string, Total>, name: string): Total {
  let total = totals.get(name);
  if (total === undefined) {
    total = { calls: 0, tokens: 0, nano: 0, inexact: 0 };
    totals.set(name, total);
  }
  return total;
}
