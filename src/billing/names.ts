import { normalizeTag } from "../core/scope.ts";
import type { VendorName } from "./vendors/vendor.ts";

/** The names of a vendor's ids, and the metered keys of its API keys. */
export interface Names {
  /** As a tag: lower case, no blanks. An id without a name is itself, an empty one is empty. */
  project(id: string): string;
  key(id: string): string;
  /** The metered name by a vendor's key. */
  readonly links: ReadonlyMap<string, string>;
}

/**
 * A vendor's key maps to a metered key where the user says so (`aliases`: metered name by the vendor's id or name),
 * when the vendor's data prove it, or when both have the same name.
 */
export function readNames(
  known: readonly VendorName[],
  meteredKeys: ReadonlySet<string>,
  aliases: Readonly<Record<string, string>>,
): Names {
  const names = new Map(known.map(({ kind, id, name }) => [`${kind} ${id}`, normalizeTag(name)]));
  const links = new Map<string, string>();
  for (const [id, alias] of Object.entries(aliases)) links.set(id, normalizeTag(alias));
  for (const { kind, id, name, meteredKey } of known) {
    if (kind !== "key" || aliases[id] !== undefined) continue;
    const alias = aliases[name];
    const candidates = [normalizeTag(name), normalizeTag(id), ...(meteredKey === undefined ? [] : [meteredKey])];
    const found = alias === undefined ? candidates.find((one) => meteredKeys.has(one)) : normalizeTag(alias);
    if (found !== undefined) links.set(id, found);
  }
  const nameOf =
    (kind: VendorName["kind"]) =>
    (id: string): string =>
      id === "" ? "" : (names.get(`${kind} ${id}`) ?? normalizeTag(id));
  return { project: nameOf("project"), key: nameOf("key"), links };
}
