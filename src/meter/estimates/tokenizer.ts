/** Counts the tokens of a text, by a tokenizer of OpenAI's models. */
export type CountTokens = (text: string) => number;

/** Shorter samples say little of the rest of a request. */
const MIN_SAMPLE = 40;

/** UTF-8 bytes per token of a text; undefined for a short one. @throws what the tokenizer throws */
export function bytesPerToken(count: CountTokens, text: string): number | undefined {
  if (text.length < MIN_SAMPLE) return undefined;
  const tokens = count(text);
  return tokens > 0 ? Buffer.byteLength(text) / tokens : undefined;
}
