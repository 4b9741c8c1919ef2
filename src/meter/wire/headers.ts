/** A response's headers. `name` is in lower case. */
export interface HeaderLookup {
  get(name: string): string | null | undefined;
}

/** Headers in any form: `Headers`, an iterable of pairs, or an object of names and values. */

export function hasHeader(headers: unknown, name: string): boolean {
  return readHeader(headers, name) !== undefined;
}

/** A header's value; undefined when it is not there. `name` is in lower case. */
export function readHeader(headers: unknown, name: string): string | undefined {
  if (typeof headers !== "object" || headers === null) return undefined;
  if (typeof (headers as Headers).get === "function") return (headers as Headers).get(name) ?? undefined;
  const pairs = Symbol.iterator in headers ? (headers as Iterable<[string, string]>) : Object.entries(headers);
  for (const [key, value] of pairs) {
    if (key.toLowerCase() === name) return value === undefined || value === null ? undefined : String(value);
  }
  return undefined;
}
