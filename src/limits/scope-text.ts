/**
 * Names of users and runs may hold any character, and scopes are written as text: `user:a,agent:b` is two parts. A comma
 * inside a part is written as `%2C`, and a `%` that would be read as the beginning of that as `%25`.
 */

/** A part of a scope, such as `user:42`, as it is written. */
export function writePart(part: string): string {
  return part.includes(",") || part.includes("%") ? encodeAs(part, ",", "%2C") : part;
}

/** The parts of a scope. */
export function readParts(scope: string): readonly string[] {
  const parts = scope.split(",");
  return scope.includes("%") ? parts.map((part) => part.replace(/%2C|%25/g, (code) => CODES[code] as string)) : parts;
}

/** One text for several, different for different ones. */
export function joinKey(...texts: readonly string[]): string {
  return texts.map(writeKeyPart).join("|");
}

function writeKeyPart(text: string): string {
  return text.includes("|") || text.includes("%") ? encodeAs(text, "|", "%7C") : text;
}

function encodeAs(text: string, separator: string, code: string): string {
  return text.replace(new RegExp(`%(?=${code.slice(1)}|25)`, "g"), "%25").replaceAll(separator, code);
}

const CODES: Readonly<Record<string, string>> = { "%2C": ",", "%25": "%" };

/** The texts that {@link joinKey} joined. */
export function readKey(key: string): readonly string[] {
  return key.split("|").map(readKeyPart);
}

export function readKeyPart(text: string): string {
  return text.replace(/%7C|%25/g, (code) => (code === "%25" ? "%" : "|"));
}
