import type { Blocked } from "../limits/refusal.ts";

export type { Blocked };

/** Where SDKs and frameworks keep what they wrap. */
const INSIDE = ["cause", "error", "lastError", "data", "errors", "response"] as const;
/** Where they keep the text of the body. */
const TEXTS = ["responseBody", "body", "message"] as const;
const MAX_DEPTH = 8;
const MAX_SEEN = 100;
const MARK = /\[spendfuse (\{[^\n]{2,4000}?\})\]/;

/** What a refusal's message ends with, for errors that keep nothing but their message. */
export function markOf(blocked: Blocked): string {
  return `[spendfuse ${JSON.stringify(blocked).replaceAll("]", "\\u005d")}]`;
}

/**
 * Reads our refusal back out of an error, through whatever an SDK or a framework wrapped around it. Undefined for every
 * other error. Never throws.
 */
export function isBlocked(error: unknown): Blocked | undefined {
  return search(error, 0, new Set());
}

function search(value: unknown, depth: number, seen: Set<unknown>): Blocked | undefined {
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return undefined;
  if (seen.has(value) || seen.size > MAX_SEEN) return undefined;
  seen.add(value);
  const own = read(value, "spendfuse");
  if (isFacts(own)) return own;
  for (const name of INSIDE) {
    const inner = read(value, name);
    const list = Array.isArray(inner) ? inner.slice(0, MAX_SEEN) : [inner];
    for (const one of list) {
      const found = search(one, depth + 1, seen);
      if (found) return found;
    }
  }
  for (const name of TEXTS) {
    const text = read(value, name);
    const mark = typeof text === "string" && text.includes("spendfuse") ? readMark(text) : undefined;
    if (mark) return mark;
  }
  return undefined;
}

/** A getter of a foreign error may throw; the property then counts as absent. */
function read(value: object, name: string): unknown {
  try {
    return (value as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}

/** The mark is unescaped in a message, and escaped once in the text of a body. */
function readMark(text: string): Blocked | undefined {
  for (const form of [text, text.replaceAll('\\"', '"').replaceAll("\\\\", "\\")]) {
    const json = MARK.exec(form)?.[1];
    if (json === undefined) continue;
    try {
      const facts: unknown = JSON.parse(json);
      if (isFacts(facts)) return facts;
    } catch {
      // Not ours, or cut.
    }
  }
  return undefined;
}

const REASONS = new Set(["budget", "circuit", "vendor_cap"]);

function isFacts(value: unknown): value is Blocked {
  if (typeof value !== "object" || value === null) return false;
  const { reason, scope } = value as Partial<Blocked>;
  return typeof reason === "string" && REASONS.has(reason) && typeof scope === "string";
}
