/** The package as it was built, whose types are those of its source. */
export function loadPackage(): Promise<typeof import("../src/index.ts")> {
  return import(new URL("../dist/index.js", import.meta.url).href);
}
