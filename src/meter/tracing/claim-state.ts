/**
 * What becomes of a span that another instrumentation has opened for a call, and on which span the call's figures end up:
 * always on one, never on two.
 *
 * - The figures are written when that span ends. While the call runs its end is put off, because instrumentations end the
 *   span of a stream before the figures are known.
 * - A span that has not ended {@link CARRY_MS} after the call settled gets no figures any more: our own span carries them.
 * - A span that its instrumentation is known to leave open when a stream is broken off is ended by us after
 *   {@link ABANDONED_MS}, with the figures.
 * - A span that ended before the call settled gets none either: our own span carries them.
 */
export type ClaimState =
  /** No call has claimed it: the last attempt failed internally. */
  | { readonly phase: "free" }
  | { readonly phase: "running"; readonly holder: Holder }
  /** Its owner has ended it; the call runs on. */
  | { readonly phase: "ending"; readonly holder: Holder; readonly end: End; readonly dueAt: number }
  /** The call has settled; its owner has not ended it. `abandoned`: the end that we call when the time is up. */
  | {
      readonly phase: "settled";
      readonly outcome: Outcome;
      readonly abandoned: End | undefined;
      readonly dueAt: number;
    }
  /** It takes no more figures. */
  | { readonly phase: "closed" };

export type ClaimEvent =
  /** A call claims the span. */
  | { readonly type: "claim"; readonly holder: Holder }
  /** Its owner ends it. */
  | { readonly type: "end"; readonly end: End }
  /** A call has settled; without an outcome we failed. `open`: the span still takes attributes. */
  | {
      readonly type: "settle";
      readonly holder: Holder;
      readonly outcome: Outcome | undefined;
      readonly open: boolean;
      readonly abandoned: End | undefined;
    }
  /** The time is up, or what has ended by now is about to be sent for the last time. */
  | { readonly type: "due" };

/** What to do on the way to a state, in this order. */
export interface Step {
  readonly state: ClaimState;
  /** To be written on the span. */
  readonly write?: Outcome | undefined;
  /** To be written on our own span. */
  readonly carry?: Outcome | undefined;
  /** The span is to be ended in this way. */
  readonly end?: End | undefined;
}

/** A call, as far as its span is concerned. */
export interface Holder {
  /** The call failed, and may be retried in the same span. */
  readonly failed: boolean;
}

/** The result of a settled call. */
export interface Outcome {
  /** It has usage. Without usage no span of ours is started, and a retry may claim the span. */
  readonly used: boolean;
  /** Writes it on the span that was open for the call. */
  write(): void;
  /** Writes it on our own span; false where none can be started. */
  carry(): boolean;
}

/** A call of the method that ends a span. */
export interface End {
  readonly self: unknown;
  readonly args: unknown[];
}

/** Longer than a reader takes for the rest of a stream that has arrived, or a framework for a tool within the span. */
export const CARRY_MS = 10_000;
/** By then instrumentations that end spans of broken-off streams have done so. */
export const ABANDONED_MS = 1_000;
/** An abandoned call settles only when its response is garbage collected; its span does not wait for that. */
export const MAX_RUNNING_MS = 300_000;

/** `now` and `dueAt` are in milliseconds of one monotonic clock. */
export function next(state: ClaimState, event: ClaimEvent, now: number): Step {
  switch (event.type) {
    case "claim":
      return { state: isClaimable(state) ? { phase: "running", holder: event.holder } : state };
    case "end":
      return onEnd(state, event.end, now);
    case "settle":
      return onSettle(state, event, now);
    case "due":
      return onDue(state);
  }
}

/** When {@link next} is due for the event `due`. */
export function dueAtOf(state: ClaimState): number {
  return state.phase === "ending" || state.phase === "settled" ? state.dueAt : Number.POSITIVE_INFINITY;
}

/** The state when our own span could not be started: the other span gets the figures after all, if it ever ends. */
export function uncarried(before: ClaimState, after: ClaimState): ClaimState {
  const wasDue = before.phase === "settled" && after.phase === "closed";
  return wasDue ? { ...before, dueAt: Number.POSITIVE_INFINITY } : after;
}

const CLOSED: ClaimState = { phase: "closed" };

/** One span represents one call; a failed attempt may be retried in the same span. */
function isClaimable(state: ClaimState): boolean {
  if (state.phase === "running") return state.holder.failed;
  if (state.phase === "settled") return !state.outcome.used;
  return state.phase === "free";
}

function onEnd(state: ClaimState, end: End, now: number): Step {
  switch (state.phase) {
    case "running":
      return { state: { phase: "ending", holder: state.holder, end, dueAt: now + MAX_RUNNING_MS } };
    case "ending":
      return { state };
    case "settled":
      return { state: CLOSED, write: state.outcome, end };
    default:
      return { state: CLOSED, end };
  }
}

function onSettle(state: ClaimState, event: Extract<ClaimEvent, { type: "settle" }>, now: number): Step {
  const { holder, outcome, open, abandoned } = event;
  const carry = outcome?.used === true ? outcome : undefined;
  if (!("holder" in state) || state.holder !== holder) return { state, carry };
  if (state.phase === "ending") return { state: CLOSED, ...(open ? { write: outcome } : { carry }), end: state.end };
  if (outcome === undefined) return { state: { phase: "free" } };
  if (!open) return { state: CLOSED, carry };
  const wait = abandoned ? ABANDONED_MS : outcome.used ? CARRY_MS : Number.POSITIVE_INFINITY;
  return { state: { phase: "settled", outcome, abandoned, dueAt: now + wait } };
}

function onDue(state: ClaimState): Step {
  if (state.phase === "ending") return { state: CLOSED, end: state.end };
  if (state.phase !== "settled") return { state };
  const { outcome, abandoned } = state;
  if (abandoned) return { state: CLOSED, write: outcome, end: abandoned };
  return outcome.used ? { state: CLOSED, carry: outcome } : { state };
}
