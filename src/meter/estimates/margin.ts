import type { Attachment } from "../wire/content/attachments.ts";

/** On what an estimate of input rests: a conversation that goes on, a request like an earlier one, or neither. */
export type Basis = "continued" | "alike" | "first";

/** By how much the estimates of a model are too low in about one of a hundred calls. */
export interface Margins extends Record<Basis, number> {
  /** Tokens that the vendor's own tools add, such as the pages that its search finds. */
  served: number;
}

/** Before anything is known of a model. The bases: factors of the part that is estimated. */
export const FIRST_MARGINS: Readonly<Margins> = { continued: 1.8, alike: 1.5, first: 1.5, served: 25_000 };

/** Tokens by which the smallest estimate may be off. */
export const SLACK_TOKENS = 24;
/** The same of results of tools, which some vendors put into many words. */
export const RESULT_SLACK = 96;

/** Tokens of an image, and of a document or film, that is not in the request itself. */
const UNSEEN_IMAGE = 3_000;
const UNSEEN_FILE = 20_000;

/** Tokens that attachments may have beyond their estimate, because nothing shows their size. */
export function unseenTokens(attachments: readonly Attachment[]): number {
  let tokens = 0;
  for (const { kind, bytes } of attachments) {
    if (bytes === 0) tokens += kind === "image" ? UNSEEN_IMAGE : UNSEEN_FILE;
    else if (kind !== "text") tokens += SEEN_FILE;
  }
  return tokens;
}

/** Our rules for files that can be seen are off by so much. */
const SEEN_FILE = 1_200;
