import * as registry from "./registry.ts";
import type { Reach, StoreKind } from "./store.ts";

const REACHES: readonly Reach[] = ["process", "host", "fleet"];

/** Those that reach further come later. */
export const STORE_KINDS: readonly StoreKind[] = Object.values<StoreKind>(registry).sort(
  (a, b) => REACHES.indexOf(a.reach) - REACHES.indexOf(b.reach),
);

/** The store of a process whose configuration names none. */
export const DEFAULT_STORE = "memory";

/** The addresses that a configuration may name, as people read them: `memory`, `file:PATH` … */
export const STORE_FORMS: readonly string[] = STORE_KINDS.map(({ form }) => form);

/** Those of stores that more than one process can use. */
export const SHARED_STORE_FORMS: readonly string[] = STORE_KINDS.filter(isShared).map(({ form }) => form);

/** The source of a regular expression that matches every address of a known kind. */
export const STORE_PATTERN: string = STORE_KINDS.map(({ pattern }) => pattern.source).join("|");

export function storeKindOf(address: string): StoreKind | undefined {
  return STORE_KINDS.find(({ pattern }) => pattern.test(address));
}

/** Whether its data outlives the process and is visible to others. */
export function isSharedStore(address: string): boolean {
  const kind = storeKindOf(address);
  return kind !== undefined && isShared(kind);
}

function isShared({ reach }: StoreKind): boolean {
  return reach !== "process";
}

/** An example address, for fixes, of a store with this reach. */
export function exampleStore(reach: Reach): string {
  return STORE_KINDS.find((kind) => kind.reach === reach)?.example ?? DEFAULT_STORE;
}

/** An address without its credentials: of a URL no user, password or query; of what is no URL, nothing up to the last `@`. */
export function shownStore(address: string): string {
  const url = address.includes("://") ? URL.parse(address) : null;
  return url === null
    ? address.replace(/\/\/.*@/, "//").replace(/\?.*$/, "")
    : `${url.protocol}//${url.host}${url.pathname}`;
}

/** `a, b or c`. */
export function eitherOf(forms: readonly string[]): string {
  return forms.length < 2 ? forms.join("") : `${forms.slice(0, -1).join(", ")} or ${forms.at(-1)}`;
}
