import { dropScopeHeaders } from "../../wire/scope-headers.ts";

/** Headers as undici takes them: names and values in turn, pairs, or an object. */
export type GivenHeaders = unknown;

/** Whether names and values stand in turn. */
function isFlat(headers: unknown): headers is readonly unknown[] {
  return Array.isArray(headers) && !Array.isArray(headers[0]);
}

/**
 * The headers in a form that can be read again and again, and that our readers know. Undefined without any, or where they
 * are none that undici takes.
 */
export function readable(headers: GivenHeaders): object | undefined {
  if (typeof headers !== "object" || headers === null) return undefined;
  if (!isFlat(headers)) return headers;
  const pairs: [string, unknown][] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) pairs.push([String(headers[at]), headers[at + 1]]);
  return pairs;
}

/** Whether reading them uses them up, as an iterator does. */
export function isReadOnce(headers: GivenHeaders): headers is Iterable<unknown> {
  if (typeof headers !== "object" || headers === null || Array.isArray(headers)) return false;
  return Symbol.iterator in headers && typeof (headers as Headers).get !== "function";
}

/** A copy without ours, in a form that undici takes. */
export function withoutScope(headers: object): unknown {
  const kept: unknown = dropScopeHeaders(headers);
  return Array.isArray(kept) ? kept.flat() : kept;
}

/** A copy in which the headers of these names, in lower case, have these values where they were there. */
export function withValues(headers: GivenHeaders, values: Readonly<Record<string, string>>): unknown {
  const pairs = entriesOf(readable(headers) ?? {});
  return pairs.flatMap(([name, value]) => [name, values[name.toLowerCase()] ?? value]);
}

export function withoutLength(headers: GivenHeaders): [string, unknown][] {
  return entriesOf(readable(headers) ?? {}).filter(([name]) => name.toLowerCase() !== "content-length");
}

function entriesOf(headers: object): [string, unknown][] {
  if (typeof (headers as Headers).get === "function" || Symbol.iterator in headers) {
    return [...(headers as Iterable<[string, unknown]>)];
  }
  return Object.entries(headers);
}
