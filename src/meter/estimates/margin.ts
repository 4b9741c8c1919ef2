/** On what an estimate of input rests: a conversation that goes on, a request like an earlier one, or neither. */
export type Basis = "continued" | "alike" | "first";

/** By what factor the estimated part of an input is held too low, in about one of a hundred calls. */
export type Margins = Record<Basis, number>;

/** Before anything is known of a model. */
export const FIRST_MARGINS: Readonly<Margins> = { continued: 1.5, alike: 1.5, first: 1.5 };

const LEAST = 1.05;
/** Tokens beyond which an estimate is held to be off, however small it is. */
export const SLACK_TOKENS = 16;

/**
 * The next margin, after a call whose estimated part came out `ratio` times as large: the largest miss so far, which
 * fades by a hundredth of the distance with each call that was nearer.
 */
export function nextMargin(margin: number, ratio: number): number {
  return ratio > margin ? ratio : Math.max(LEAST, margin + (ratio - margin) / 100);
}
