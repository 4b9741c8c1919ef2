/** One line of text, of at most `max` characters; undefined when there is none. */
export function line(text: unknown, max: number): string | undefined {
  if (typeof text !== "string") return undefined;
  return (
    text
      .replace(/\p{Cc}+/gu, " ")
      .trim()
      .slice(0, max) || undefined
  );
}
