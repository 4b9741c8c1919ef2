/**
 * The known words that a misspelt one may have meant: the nearest by edit distance (a swap of neighbours is one edit),
 * else those that continue it. Case and separators do not matter. Empty when none is near; several when they tie.
 */
export function nearest(word: string, known: readonly string[]): readonly string[] {
  const asked = plain(word);
  let least = Math.max(1, Math.floor(asked.length / 3));
  let found: string[] = [];
  for (const name of known) {
    const distance = editDistance(asked, plain(name), least);
    if (distance > least) continue;
    if (distance < least) found = [];
    least = distance;
    found.push(name);
  }
  if (found.length > 0 || asked.length < 3) return found;
  return known.filter((name) => plain(name).startsWith(asked));
}

/** `; did you mean "a" or "b"?`, or an empty text when no known word is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  const names = nearest(word, known).slice(0, 3);
  return names.length === 0 ? "" : `; did you mean ${names.map((name) => `"${name}"`).join(" or ")}?`;
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[-_.\s]/g, "");
}

/** Optimal string alignment; anything above `limit` counts as too far, which the lengths alone may show. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const line = [row];
    for (let column = 1; column <= b.length; column++) {
      const cost = a[row - 1] === b[column - 1] ? 0 : 1;
      let least = Math.min(above[column]! + 1, line[column - 1]! + 1, above[column - 1]! + cost);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        least = Math.min(least, before[column - 2]! + 1);
      line.push(least);
    }
    before = above;
    above = line;
  }
  return above[b.length]!;
}
