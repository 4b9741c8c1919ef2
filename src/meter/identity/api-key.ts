import { setBounded } from "../../core/bounded-map.ts";
import { nestScope, type ScopeNode } from "../../core/scope.ts";
import { readHeader } from "../wire/headers.ts";
import { isPlanToken, PLAN_KEY } from "./plan-login.ts";

const KEY_HEADERS = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];
const MAX_KEYS = 1_000;

/**
 * Finds the request's API key and turns it into its alias or a short hash; the key itself goes nowhere. The token of a
 * subscription's login is the key `plan`: it changes by the hour.
 */
export function createKeyReader(aliases: Readonly<Record<string, string>>): (headers: unknown) => string | undefined {
  const names = new Map<string, string>();
  return (headers) => {
    for (const header of KEY_HEADERS) {
      const value = readHeader(headers, header);
      if (value === undefined) continue;
      let name = names.get(value);
      if (name === undefined) {
        const hash = hashKey(value.replace(/^Bearer\s+/i, ""));
        name = aliases[hash] ?? (isPlanToken(value, headers) ? PLAN_KEY : hash);
        setBounded(names, value, name, MAX_KEYS);
      }
      return name;
    }
    return undefined;
  };
}

/** The first 8 hex digits of the key's SHA-256. */
export function hashKey(key: string): string {
  return process.getBuiltinModule("node:crypto").createHash("sha256").update(key).digest("hex").slice(0, 8);
}

const keyed = new WeakMap<ScopeNode, Map<string, ScopeNode>>();

/** The scope with the key in it; an explicit key of the caller's stays. */
export function withKey(node: ScopeNode, key: string | undefined): ScopeNode {
  if (key === undefined || node.scope.key !== undefined) return node;
  let byKey = keyed.get(node);
  if (byKey === undefined) {
    byKey = new Map();
    keyed.set(node, byKey);
  }
  let found = byKey.get(key);
  if (found === undefined) {
    found = nestScope(node, { key });
    byKey.set(key, found);
  }
  return found;
}
