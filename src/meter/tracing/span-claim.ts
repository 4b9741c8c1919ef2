import type { Faults } from "../../core/faults.ts";
import {
  type ClaimEvent,
  type ClaimState,
  dueAtOf,
  type End,
  type Holder,
  next,
  type Outcome,
  uncarried,
} from "./claim-state.ts";
import { createStamp } from "./stamp.ts";

/** The claim of calls on one span of another instrumentation: its state, and what is needed to act on it. */
interface Claim {
  state: ClaimState;
  /** The agent's name on the span was written by us. */
  named: boolean;
  /** The span's own method. */
  readonly end: (...args: unknown[]) => unknown;
  readonly faults: Faults;
}

/** How the spans of one tracing library are ended. */
export interface Ending {
  readonly method: "end" | "finish";
  /** The time of an end, as that method takes it. */
  readonly now: () => number;
}

const claims = createStamp<Claim>();

/** Takes a span for a call until {@link settleSpan}. False when it is another call's. */
export function claimSpan(span: object, { method, now }: Ending, holder: Holder, faults: Faults): boolean {
  const claim = claims.get(span) ?? watchEnd(span as Endable, method, now, faults);
  advance(claim, { type: "claim", holder });
  return claim.state.phase === "running" && claim.state.holder === holder;
}

type Endable = Record<Ending["method"], (...args: unknown[]) => unknown>;

function watchEnd(span: Endable, method: Ending["method"], now: () => number, faults: Faults): Claim {
  const claim: Claim = { state: { phase: "free" }, named: false, end: span[method], faults };
  span[method] = function (this: unknown, ...args: unknown[]) {
    // When the end is put off, the span still ends at the time at which its owner ended it.
    const isTimed = args[0] !== undefined || claim.state.phase !== "running";
    return advance(claim, { type: "end", end: { self: this, args: isTimed ? args : [now()] } });
  };
  claims.set(span, claim);
  return claim;
}

/**
 * Sets a call's result: it is written on the span when that ends, or on our own span.
 * @param open The span still takes attributes.
 * @param abandoned The end to call where the span's owner is known to leave it open.
 */
export function settleSpan(
  span: object,
  holder: Holder,
  outcome: Outcome,
  open: boolean,
  abandoned: End | undefined,
): void {
  const claim = claims.get(span);
  if (claim !== undefined) advance(claim, { type: "settle", holder, outcome, open, abandoned });
}

/** Releases a span where {@link settleSpan} was not reached. */
export function releaseSpan(span: object, holder: Holder): void {
  const claim = claims.get(span);
  if (claim === undefined) return;
  advance(claim, { type: "settle", holder, outcome: undefined, open: true, abandoned: undefined });
}

/**
 * Treats every deadline as reached: what has ended by now is about to be sent, perhaps for the last time. Spans whose end
 * was put off end, and spans of ours carry the figures of the others.
 */
export function expireClaims(): void {
  for (const claim of pending) expire(claim);
}

/** Goes to the next state, and performs its actions. Returns what the span's own method returned, if it was called. */
function advance(claim: Claim, event: ClaimEvent): unknown {
  const before = claim.state;
  const { state, write, carry, end } = next(before, event, performance.now());
  claim.state = state;
  if (write !== undefined) claim.faults.guard("span", () => write.write());
  if (carry !== undefined && claim.faults.guard("span", () => carry.carry()) !== true) {
    claim.state = uncarried(before, state);
  }
  schedule(claim);
  return end && claim.end.apply(end.self, end.args);
}

function expire(claim: Claim): void {
  claim.faults.guard("span", () => advance(claim, { type: "due" }));
}

/** Those with a deadline. */
const pending = new Set<Claim>();
/** One for all, and left to run when the claim that it was set for is closed: a call sets none of its own. */
let timer: { readonly at: number; readonly handle: NodeJS.Timeout } | undefined;

function schedule(claim: Claim): void {
  const at = dueAtOf(claim.state);
  if (at === Number.POSITIVE_INFINITY) {
    pending.delete(claim);
    return;
  }
  pending.add(claim);
  wakeAt(at);
}

function wakeAt(at: number): void {
  if (timer !== undefined && timer.at <= at) return;
  clearTimeout(timer?.handle);
  timer = { at, handle: setTimeout(expireDue, at - performance.now()).unref() };
}

function expireDue(): void {
  timer = undefined;
  const now = performance.now();
  let earliest = Number.POSITIVE_INFINITY;
  for (const claim of pending) {
    const at = dueAtOf(claim.state);
    if (at <= now) expire(claim);
    else earliest = Math.min(earliest, at);
  }
  if (earliest < Number.POSITIVE_INFINITY) wakeAt(earliest);
}

/** Notes that the agent's name on a span is ours. */
export function markNamed(span: object): void {
  const claim = claims.get(span);
  if (claim !== undefined) claim.named = true;
}

/** Whether the agent's name on a span is ours: it does not identify the next call. */
export function isNamedByUs(span: object): boolean {
  return claims.get(span)?.named === true;
}
