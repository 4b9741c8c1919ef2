import { createStamp } from "../stamp.ts";

/**
 * Whose call a span of somebody else's is filled with: of one call, because what two calls come to does not fit on one
 * span. While a call has it, its end waits: instrumentations end the span of a stream when they return it, or when it is
 * broken off, before the figures of the call are known.
 */
interface Claim {
  /** The call that has it. */
  holder: Holder | undefined;
  /** What a call came to is on it. */
  filled: boolean;
  /** The name of its agent is of our writing. */
  named: boolean;
  /** Whoever made it has asked for its end. */
  asked: Asked | undefined;
  readonly end: (...args: unknown[]) => unknown;
}

/** A call, as far as it matters here. */
export interface Holder {
  /** It is over, and whoever made it may try again in the same span. */
  readonly failed: boolean;
}

interface Asked {
  readonly self: unknown;
  readonly args: unknown[];
  readonly timer: NodeJS.Timeout;
}

const claims = createStamp<Claim>();
/** Those whose end waits. */
const waiting = new Set<Claim>();

/** A call whose response nobody reads settles only when it is garbage collected; its span does not wait for that. */
const MAX_WAIT_MS = 300_000;

/**
 * Takes a span for a call until {@link releaseSpan}. False when another call has it, or had it and used something: a
 * failed attempt is followed by another in the same span.
 * @param name The method that ends it, which takes a time.
 * @param now That time, as the method wants it.
 */
export function claimSpan<Name extends string>(
  span: { [name in Name]: (...args: never[]) => unknown },
  name: Name,
  now: () => number,
  holder: Holder,
): boolean {
  const before = claims.get(span);
  if (before !== undefined) {
    if (before.filled || before.asked !== undefined || before.holder?.failed === false) return false;
    before.holder = holder;
    return true;
  }
  const claim: Claim = {
    holder,
    filled: false,
    named: false,
    asked: undefined,
    end: span[name] as Claim["end"],
  };
  claims.set(span, claim);
  span[name] = function (this: unknown, ...args: unknown[]) {
    if (claim.holder === undefined) return claim.end.apply(this, args);
    if (claim.asked !== undefined) return undefined;
    const timer = setTimeout(() => endNow(claim), MAX_WAIT_MS).unref();
    claim.asked = { self: this, args: args.length > 0 ? args : [now()], timer };
    waiting.add(claim);
    return undefined;
  } as (typeof span)[Name];
  return true;
}

/** Lets the span end, at once if that was asked for. `filled`: what the call came to is on it. */
export function releaseSpan(span: object, holder: Holder, filled: boolean): void {
  const claim = claims.get(span);
  if (claim === undefined || claim.holder !== holder) return;
  claim.filled = filled;
  endNow(claim);
}

/** Ends the spans that were to be ended: their provider is about to send what it has. */
export function endWaitingSpans(): void {
  for (const claim of [...waiting]) endNow(claim);
}

function endNow(claim: Claim): void {
  claim.holder = undefined;
  const { asked } = claim;
  if (asked === undefined) return;
  claim.asked = undefined;
  waiting.delete(claim);
  clearTimeout(asked.timer);
  claim.end.apply(asked.self, asked.args);
}

/** Notes that the agent's name on a span is ours. */
export function markNamed(span: object): void {
  const claim = claims.get(span);
  if (claim !== undefined) claim.named = true;
}

/** Whether the agent's name on a span is ours: it says nothing of the next call. */
export function isNamedByUs(span: object): boolean {
  return claims.get(span)?.named === true;
}
