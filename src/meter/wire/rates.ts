import { type AttachmentTokens, openaiAttachment } from "./content/attachment-tokens.ts";

/**
 * What text costs in tokens, for calls that report no usage, where nothing was learned of the model yet. Fitted on one
 * half of the recorded calls of a format; `test/recordings/learned.test.ts` prints the error on the other half.
 */
export interface EstimateRates {
  /** Tokens of any request, beside its text. */
  readonly request: number;
  /** UTF-8 bytes per token of the request's text. */
  readonly inputBytes: number;
  /** Tokens of having tools at all, and bytes per token of their definitions. */
  readonly tools: number;
  readonly toolBytes: number;
  readonly attachment: AttachmentTokens;
  /** UTF-8 bytes per token of the response's text, and tokens of a tool call beside its text. */
  readonly outputBytes: number;
  readonly toolCall: number;
}

/** Fitted on OpenAI chat completions; for formats without recorded calls of their own. */
export const CHAT_RATES: EstimateRates = {
  request: 4,
  inputBytes: 4.6,
  tools: 20,
  toolBytes: 4.4,
  attachment: openaiAttachment,
  outputBytes: 4.5,
  toolCall: 9,
};
