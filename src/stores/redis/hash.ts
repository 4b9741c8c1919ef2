/** A hash as the client gives it, by protocol: a flat list in RESP2, an object in RESP3. */
export type Hash = Readonly<Record<string, string>> | readonly string[];

export function pairsOf(flat: Hash): readonly (readonly [string, string])[] {
  if (!Array.isArray(flat)) return Object.entries(flat as Readonly<Record<string, string>>);
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[index * 2], flat[index * 2 + 1]] as const);
}
