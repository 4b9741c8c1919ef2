import { createStamp } from "./stamp.ts";

/**
 * Instrumentations end the span of a stream when they return it, or when it is broken off, and do so before the figures
 * of the call are known. While a span is held, its end waits, and keeps the time at which it was asked for.
 */

interface Hold {
  holders: number;
  asked: { readonly self: unknown; readonly args: unknown[] } | undefined;
  readonly end: (...args: unknown[]) => unknown;
}

const holds = createStamp<Hold>();

/**
 * Holds a span back from its end until {@link releaseEnd}. Several may hold it: attempts of one call.
 * @param name The method that ends it, which takes a time.
 * @param now That time, as the method wants it.
 */
export function holdEnd<Name extends string>(
  span: { [name in Name]: (...args: never[]) => unknown },
  name: Name,
  now: () => number,
): void {
  const before = holds.get(span);
  if (before !== undefined) {
    before.holders += 1;
    return;
  }
  const hold: Hold = { holders: 1, asked: undefined, end: span[name] as Hold["end"] };
  holds.set(span, hold);
  span[name] = function (this: unknown, ...args: unknown[]) {
    if (hold.holders === 0) return hold.end.apply(this, args);
    hold.asked ??= { self: this, args: args.length > 0 ? args : [now()] };
    return undefined;
  } as (typeof span)[Name];
}

/** Lets the span end, at once if that was asked for. */
export function releaseEnd(span: object): void {
  const hold = holds.get(span);
  if (hold === undefined || hold.holders === 0) return;
  hold.holders -= 1;
  const { asked } = hold;
  if (hold.holders > 0 || asked === undefined) return;
  hold.asked = undefined;
  hold.end.apply(asked.self, asked.args);
}
