import type { Part } from "../widgets.ts";
import type { Fault, Lint } from "./lint.ts";
import { KEYS, type KeyTable, WIDGETS } from "./misspelt-keys/tables.ts";

/** Keys that are never read: the client accepts them, and Datadog silently ignores them. */
export const misspeltKeys: Lint = {
  name: "misspelt-keys",
  rule: "every key is one that Datadog reads",
  kinds: ["dashboard", "monitor"],
  *check({ kind, json }) {
    yield* checkPart(json, kind, "");
  },
};

function* checkPart(part: Part, table: string, path: string): Iterable<Fault> {
  const keys = KEYS[table];
  if (keys === undefined) return;
  for (const [key, value] of Object.entries(part)) {
    const own = path === "" ? key : `${path}.${key}`;
    if (!Object.hasOwn(keys, key)) yield unknownKey(key, keys, own);
    else yield* checkValue(value, keys[key] as string, own);
  }
}

function* checkValue(value: unknown, table: string, path: string): Iterable<Fault> {
  if (table === "") return;
  if (Array.isArray(value)) {
    for (const [index, one] of value.entries()) yield* checkValue(one, table, `${path}[${index}]`);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  const part = value as Part;
  if (table !== "definition") yield* checkPart(part, table, path);
  else if (Object.hasOwn(WIDGETS, String(part.type)))
    yield* checkPart(part, WIDGETS[String(part.type)] as string, path);
}

/** Keys of any part: one that is known elsewhere is not misspelt. */
const VOCABULARY: ReadonlySet<string> = new Set(Object.values(KEYS).flatMap((table) => Object.keys(table)));
/** A key that is so near to another is misspelt, and not one that we do not know. */
const MISSPELT = { distance: 2, length: 5 };

function unknownKey(key: string, keys: KeyTable, path: string): Fault {
  const near = Object.keys(keys)
    .map((name) => ({ name, far: distance(key, name) }))
    .sort((a, b) => a.far - b.far)[0];
  const hint = near !== undefined && near.far <= 3 ? `: "${near.name}"?` : "";
  const message = `there is no key "${key}"${hint}`;
  const misspelt =
    near !== undefined &&
    near.far <= MISSPELT.distance &&
    near.name.length >= MISSPELT.length &&
    !VOCABULARY.has(key) &&
    !isPlural(key, near.name);
  return misspelt ? { path, message } : { path, message, style: true };
}

/** Whether two keys differ by an s at their end: Datadog has pairs of such. */
function isPlural(one: string, other: string): boolean {
  return one === `${other}s` || other === `${one}s`;
}

/** Letters to change, add or take away. */
function distance(a: string, b: string): number {
  let before = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (before[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, (before[j] as number) + 1, (row[j - 1] as number) + 1));
    }
    before = row;
  }
  return before[b.length] as number;
}
