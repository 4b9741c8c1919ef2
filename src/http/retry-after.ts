/**
 * How long an answer asks to wait before the next try, in milliseconds; undefined where it does not say. The header has
 * seconds or a date.
 * @param now When the answer came, in milliseconds since the epoch: a date is counted from it.
 */
export function retryAfterMs(headers: Pick<Headers, "get">, now: number): number | undefined {
  const text = headers.get("retry-after");
  if (text === null || text.trim() === "") return undefined;
  const seconds = Number(text);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
