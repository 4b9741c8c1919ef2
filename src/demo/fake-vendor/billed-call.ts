import type { BilledTokens, CostParts } from "./prices.ts";

/** One line of the bill. */
export interface BilledCall {
  /** The id the caller saw; absent when the call was refused. */
  readonly id?: string;
  /** The caller, from the API key: the part after `demo-`. */
  readonly agent: string;
  readonly path: string;
  /** As answered. */
  readonly model: string;
  readonly stream: boolean;
  readonly status: number;
  readonly ending: "completed" | "canceled" | "failed";
  readonly tokens: Readonly<BilledTokens>;
  /** Nano-USD, at list price. */
  readonly cost: number;
  /** The same by kind of token. */
  readonly parts: CostParts;
  readonly tier: string;
  /** When it ended, in milliseconds since the epoch. */
  readonly at: number;
}
