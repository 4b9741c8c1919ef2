import type { CallState } from "../../core/call.ts";
import type { Faults } from "../../core/faults.ts";
import type { ScopeNode } from "../../core/scope.ts";
import type { Forecast, Gate } from "../../limits/gate.ts";
import type { ChangeOutcome, RequestChange } from "../../limits/ladder.ts";
import type { Knowledge } from "../estimates/knowledge.ts";
import type { Context } from "../tracing/context.ts";
import type { Changes } from "../wire/changes/change-request.ts";
import type { RequestFacts } from "../wire/formats/format.ts";
import type { Target } from "../wire/target.ts";
import type { RecordCharge } from "./charges.ts";
import type { PaidRequest } from "./paid-request.ts";

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

/** Called when a call settles. */
export type OnSettledOf<Call> = (call: Call, state: Extract<CallState, { phase: "settled" }>) => void;

/** What a call begins with. */
export interface CallOptionsOf<Call> {
  readonly target: Target;
  readonly context: Context;
  readonly node: ScopeNode;
  readonly facts: RequestFacts | undefined;
  readonly hides: boolean;
  readonly signal: AbortSignal | null | undefined;
  readonly faults: Faults;
  readonly services: ServicesOf<Call>;
  readonly onSettled: OnSettledOf<Call>;
  readonly paid?: PaidRequest | undefined;
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

/** What ends a stream in its middle. */
export interface Cut {
  /** Our event, as it stands in the stream. */
  readonly event: Uint8Array;
  /** Makes the error of the same, where no event can be added to the stream. */
  readonly error: () => Error;
}
