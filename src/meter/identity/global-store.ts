/** What lies in an `AsyncLocalStorage` that a library keeps in a global slot; undefined when there is none. */
export function globalStore(slot: symbol): unknown {
  const storage = (globalThis as { [slot: symbol]: { getStore?(): unknown } | undefined })[slot];
  return typeof storage?.getStore === "function" ? storage.getStore() : undefined;
}
