import type { LadderConfig } from "../core/config-types.ts";
import { readDuration } from "../core/period.ts";

/** What a budget does to calls before it refuses them, each from its share of the cap on. Shares are of 1. */
export interface Ladder {
  readonly throttle: Throttle | undefined;
  readonly downgrade: { readonly at: number; readonly models: Readonly<Record<string, string>> } | undefined;
  /** `maxOutput`: tokens. */
  readonly shorten: { readonly at: number; readonly maxOutput: number } | undefined;
}

/** How calls of one scope are slowed down. */
export interface Throttle {
  readonly at: number;
  /** The least time from one call to the next, in milliseconds. */
  readonly everyMs: number | undefined;
  /** The most calls at once. */
  readonly atOnce: number | undefined;
}

/** What is to be changed in a request before it is sent. */
export interface RequestChange {
  /** The name of the budget that wants it; of the last, where several do. */
  readonly budget: string;
  /** The model to be asked instead. */
  readonly model?: string;
  /** The most output tokens; a request whose own limit is lower keeps it. */
  readonly maxOutput?: number;
}

/**
 * What became of a change: `nothing` of the request is of its kind; `fixed`: it cannot be changed safely, and goes out as it
 * is.
 */
export type ChangeOutcome = "changed" | "nothing" | "fixed";

/** Whether a budget changes requests before it refuses them. */
export function hasLadder(budgets: readonly { readonly ladder: Ladder | undefined }[]): boolean {
  return budgets.some(({ ladder }) => ladder?.downgrade !== undefined || ladder?.shorten !== undefined);
}

/** Whether a budget slows calls down before it refuses them. */
export function hasThrottle(budgets: readonly { readonly ladder: Ladder | undefined }[]): boolean {
  return budgets.some(({ ladder }) => ladder?.throttle !== undefined);
}

export function readLadder(ladder: LadderConfig | undefined): Ladder | undefined {
  if (ladder === undefined) return undefined;
  const { throttle, downgrade, shorten } = ladder;
  return {
    throttle: throttle && { at: throttle.at, everyMs: readDuration(throttle.every), atOnce: throttle.atOnce },
    downgrade,
    shorten,
  };
}

/**
 * Adds what one budget wants of a request for `model`, when `share` of its cap is spent. The first budget that names
 * another model decides which, the lowest limit of output holds.
 */
export function addRungs(
  before: RequestChange | undefined,
  { downgrade, shorten }: Ladder,
  budget: string,
  share: number,
  model: string | undefined,
): RequestChange | undefined {
  let change = before;
  if (downgrade !== undefined && share >= downgrade.at && change?.model === undefined && model !== undefined) {
    const other = Object.hasOwn(downgrade.models, model) ? downgrade.models[model] : undefined;
    if (other !== undefined && other !== model) change = { ...change, budget, model: other };
  }
  if (shorten !== undefined && share >= shorten.at && shorten.maxOutput < (change?.maxOutput ?? Infinity)) {
    change = { ...change, budget, maxOutput: shorten.maxOutput };
  }
  return change;
}
