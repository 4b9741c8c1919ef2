import type { ScopeNode } from "../core/scope.ts";
import type { ChangeOutcome, RequestChange } from "./ladder.ts";
import type { Refusal, RefusalShape, StreamEvent } from "./refusal.ts";

/** The most that a call may use, estimated before it is sent. */
export interface Forecast {
  /** Input and output. */
  readonly tokens: number;
  /** Nano-USD; undefined when no price is known. */
  readonly costNano: number | undefined;
  /** 0 for what is no model call; 1 when absent. */
  readonly calls?: 0;
}

/** A call that is about to leave. */
export interface Ask {
  readonly node: ScopeNode;
  /** How the call's wire format writes a refusal. */
  readonly refusal: RefusalShape;
  readonly provider: string;
  readonly model: string | undefined;
  /** The caller's, by which it may end the call while it waits. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Changes the request, before {@link forecast} is asked: all that is asked for and applies to it, or nothing. Absent where
   * the transport cannot.
   */
  readonly change?: ((change: RequestChange) => ChangeOutcome) | undefined;
  /** A budget's throttle made the call wait so long, in milliseconds. */
  throttled?(budget: string, waitedMs: number): void;
  /** The call may use what a budget keeps for `finalise()`. */
  finalises?(): void;
  /** The same request as earlier ones, where repeats are counted. */
  same?(request: SameRequest): void;
  /** Called only where a budget applies. */
  forecast(): Forecast;
  /** Equal for equal requests, to detect repeats; undefined when unknown. */
  fingerprint(): string | undefined;
  /**
   * Ends the call's stream with this event, if it is streaming and still in flight.
   * @param error Makes the error of the same, for a stream to which no event can be added.
   */
  cut(event: StreamEvent, error: () => Error): void;
}

/** What is known of all calls that send the same request. */
export interface SameRequest {
  /** One of them was answered whole. */
  answered: boolean;
}

/** What a call used and cost. */
export interface Spent {
  readonly tokens: number;
  /** Nano-USD; undefined when no price is known. */
  readonly costNano: number | undefined;
  /** 0 for what is no model call; 1 when absent. */
  readonly calls?: 0;
}

/** The hold of one call on the budgets it belongs to. */
export interface Ticket {
  /**
   * The call is over, whatever its ending: its hold is replaced by its cost. Undefined when the cost is unknown:
   * unknown is not zero, so that what it held counts. Only the first settling counts.
   */
  settle(spent: Spent | undefined): void;
  /**
   * The vendor has said since what the call used: replaces what it was settled with, in the budgets whose window has not
   * ended. Only after {@link settle}, and only the first time.
   */
  correct(spent: Spent): void;
  /** It was no call after all: releases the hold and counts nothing. */
  release(): void;
}

export type Passage =
  | { readonly pass: true; readonly ticket: Ticket | undefined }
  | { readonly pass: false; readonly refusal: () => Refusal };

/** A vendor's answer with an error status, read. */
export interface ErrorAnswer {
  readonly node: ScopeNode;
  readonly provider: string;
  readonly status: number;
  /** Parsed JSON. */
  readonly body: unknown;
}

/** The check before each call. The meter calls it, the guard implements it. */
export interface Gate {
  /** Whether `forecast` may be asked for: then the request is read, and the prices are loaded, before it leaves. */
  readonly forecasts: boolean;
  /** Whether streams may be cut. */
  readonly cuts: boolean;
  /** Whether requests may be changed. */
  readonly changes: boolean;
  /** Whether calls may wait for their turn, or for a budget that is spent: they may be given up meanwhile. */
  readonly waits: boolean;
  /** Synchronous, unless the store or an `onBlocked` listener has to be awaited. Never rejects. */
  admit(ask: Ask): Passage | Promise<Passage>;
  /**
   * The refusal of a call that our own fault kept from being checked; undefined where such calls pass. `shape`: of the
   * call's wire format.
   */
  unchecked(shape: RefusalShape): Refusal | undefined;
  /** Adds spend that no ticket covers, such as that of a response that ran in the background. */
  charge(node: ScopeNode, spent: Spent): void;
  /** Looks at a vendor's error. True when trying again is of no use. */
  answered(answer: ErrorAnswer): boolean;
}

export const NOTHING_SPENT: Spent = { tokens: 0, costNano: 0 };
