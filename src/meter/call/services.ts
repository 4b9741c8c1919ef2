import type { CallState } from "../../core/call.ts";
import type { Forecast, Gate } from "../../limits/gate.ts";
import type { ChangeOutcome, RequestChange } from "../../limits/ladder.ts";
import type { Knowledge } from "../estimates/knowledge.ts";
import type { Changes } from "../wire/changes/change-request.ts";
import type { RecordCharge } from "./charges.ts";

/** Whether prices are known yet. */
export interface PricesReady {
  readonly ready: boolean;
  /** Resolves when prices are known; undefined when they are. */
  loaded(): Promise<void> | undefined;
}

/** What a call needs of the process, looked up once when it begins. */
export interface ServicesOf<Call> {
  /** The check before each call; undefined without a guard. */
  readonly gate: Gate | undefined;
  /** The most that the call may use and cost. */
  readonly forecast: (call: Call) => Forecast;
  readonly knowledge: Knowledge;
  readonly prices: PricesReady;
  readonly record: (call: Call, state: Extract<CallState, { phase: "settled" }>) => void;
  /** Takes a charge: what a request costs that is no model call. */
  readonly charge: RecordCharge;
}

/** What budgets did with a call that they let pass. */
export interface Treatment {
  /** The name of the budget that slowed it down, and how long it waited for its turn, in milliseconds. */
  readonly throttled?: { readonly budget: string; readonly waitedMs: number };
  /** It may use what a budget keeps for `finalise()`. */
  readonly finalising?: true;
}

/** How a call's transport changes its request, where it can. */
export interface Changeable {
  change(change: RequestChange): ChangeOutcome;
  /** What was changed. */
  readonly changes: Changes | undefined;
}
