import type { Scope } from "./scope.ts";
import type { Usage } from "./usage.ts";

/** How a call ended. Once the terminal frame has passed it is `completed`, whatever the reader does next. */
export type Ending = "completed" | "canceled" | "failed" | "blocked";

/** Where the usage comes from; the worst part decides. */
export type Quality = "reported" | "estimated" | "unknown";

/**
 * How the cost was found: `true` by an exact price, `inexact` by the price of a model of a similar name or a substitute
 * rate, `partial` when a part of the call has no known price, or one that depends on the account, `false` when nothing
 * has a price; `none` when there is no usage to price. `plan`: the call was made on a subscription's login, which costs
 * nothing more; its cost is the list price, for comparison and for budgets, and is on no bill.
 */
export type Priced = "true" | "inexact" | "partial" | "false" | "none" | "plan";

/** Where the money figure comes from: the vendor's own response, or our price book. */
export type CostSource = "provider" | "local";

/** Usage of one model inside a call: a server-side advisor or a compaction has its own model and its own price. */
export interface UsagePart {
  readonly model: string;
  readonly usage: Usage;
}

/** Usage and money of one model within a call. */
export interface CallPart {
  readonly model: string;
  readonly usage: Usage;
  /** Nano-USD; undefined when unpriced. */
  readonly costNano: number | undefined;
}

/** One HTTP request to a model API and its response, after its ending. */
export interface SettledCall {
  /** Unique in this process. */
  readonly id: string;
  /** The vendor's id of the response, where it was seen. */
  readonly responseId?: string;
  readonly scope: Scope;
  /** The vendor by its OpenTelemetry name, such as `openai`, `anthropic`, `gcp.gemini`. */
  readonly provider: string;
  /** The model that served the call, or the requested one when none was named in the response. */
  readonly model: string;
  readonly requestModel?: string;
  /** The wire format, by its file name. */
  readonly format: string;
  /** The service tier as the vendor reported it. */
  readonly tier?: string;
  readonly stream: boolean;
  readonly ending: Ending;
  readonly quality: Quality;
  /** HTTP status; absent when no response came. */
  readonly status?: number;
  /** Absent when unknown, never zero instead. */
  readonly usage?: Usage;
  /** Usage of other models inside this call, not contained in `usage` but contained in `costUsd`. */
  readonly otherModels?: readonly UsagePart[];
  /** Where `repeats` are counted: the agent has sent this very request before, and it was answered whole. */
  readonly repeated?: true;
  /**
   * Input tokens that an earlier call of the conversation sent no more than 4.5 minutes before, and that were billed in
   * full again, not read from the vendor's cache. Absent below 1,024.
   */
  readonly uncached?: number;
  /** USD. Absent when the price or the usage is unknown, never zero instead. */
  readonly costUsd?: number;
  readonly costSource?: CostSource;
  readonly priced: Priced;
  /**
   * With `priced: "partial"` or `"plan"`, the parts that `costUsd` does not contain, such as `file_search` or `output_audio`; a name
   * that ends in `_allowance` or `_reuse` is of a fee that `costUsd` does contain and the account may not pay.
   */
  readonly unpricedParts?: readonly string[];
  /** What a budget changed in the request before it was sent. */
  readonly changes?: {
    /** The budget's name. */
    readonly budget: string;
    /** The model that the caller asked. */
    readonly model?: string;
    /** The limit of output tokens that was set. */
    readonly maxOutput?: number;
  };
  /** The budget that slowed the call down, and how long it waited for its turn before it was sent, in milliseconds. */
  readonly throttled?: { readonly budget: string; readonly waitedMs: number };
  /** It was made inside `finalise()`, under a budget that keeps a part of its cap for that. */
  readonly finalising?: true;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly durationMs: number;
}

/** The events that can settle a call. The first one decides. */
export type SettleEvent =
  /** A frame after which the vendor sends nothing that matters. */
  | { readonly type: "terminal" }
  /** The body ended. */
  | { readonly type: "end" }
  /** The reader stopped: break, abort signal, timeout. */
  | { readonly type: "cancel" }
  /** The connection or the body broke. */
  | { readonly type: "error" }
  /** We refused it; nothing was sent. */
  | { readonly type: "block" }
  /** The vendor sent an error inside the stream or an error status. */
  | { readonly type: "refused" }
  /** The response was garbage collected without having been read to its end. */
  | { readonly type: "collect"; readonly unseen: boolean }
  /** `flush()` was called while the call was open. */
  | { readonly type: "flush"; readonly unseen: boolean };

export type CallState =
  | { readonly phase: "open" }
  | {
      readonly phase: "settled";
      readonly ending: Ending;
      /** The body was read where we could not observe it: its content is unknown. */
      readonly unseen: boolean;
    };

export const OPEN: CallState = { phase: "open" };

/** What was observed before the event. */
export interface Passed {
  readonly stream: boolean;
  /** The vendor sent a finish reason or a stop event. */
  readonly finished: boolean;
}

/**
 * The next state of a call. A stream that ends without a finish reason or a stop event was cut,
 * even when the connection closed cleanly.
 */
export function next(state: CallState, event: SettleEvent, passed: Passed): CallState {
  if (state.phase === "settled") return state;
  return { phase: "settled", ending: endingOf(event, passed), unseen: "unseen" in event && event.unseen };
}

function endingOf(event: SettleEvent, passed: Passed): Ending {
  switch (event.type) {
    case "terminal":
      return "completed";
    case "end":
      return !passed.stream || passed.finished ? "completed" : "failed";
    case "cancel":
      return "canceled";
    case "collect":
    case "flush":
      return event.unseen ? "completed" : "canceled";
    case "block":
      return "blocked";
    case "error":
    case "refused":
      return "failed";
  }
}

/** What a call costs, in nano-USD; undefined where it is unknown. */
export function costNanoOf({ costUsd }: Pick<SettledCall, "costUsd">): number | undefined {
  return costUsd === undefined ? undefined : Math.round(costUsd * 1e9);
}
