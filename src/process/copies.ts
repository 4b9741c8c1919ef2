import { HOOKED } from "../meter/transports/fetch/hook.ts";

/**
 * Where copies of the package find the runtime of their process: ESM and CommonJS twins, bundles, other versions.
 * The number changes when a copy can no longer use what another has made.
 */
const RUNTIME = Symbol.for("spendfuse.runtime.1");

/** The runtime of another realm, once found. Not kept on `globalThis`, which Jest tears down after each test file. */
let outer: object | undefined;

/**
 * The one runtime of this process, made if there is none. In a realm of its own, as Jest gives each test file: the
 * runtime that hooks the `fetch` of that realm, where one does, and otherwise the realm's own.
 */
export function sharedRuntime<R extends object>(create: () => R): R {
  const slots = globalThis as { [RUNTIME]?: R; readonly fetch?: { readonly [RUNTIME]?: R } };
  if (slots[RUNTIME] !== undefined) return slots[RUNTIME];
  outer ??= slots.fetch?.[RUNTIME];
  if (outer !== undefined) return outer as R;
  slots[RUNTIME] = create();
  return slots[RUNTIME];
}

/** Lets copies in other realms find `runtime` through the hooked `fetch` that they are given. */
export function shareThroughFetch(runtime: object): void {
  const { fetch } = globalThis;
  if (typeof fetch !== "function" || !(HOOKED in fetch) || RUNTIME in fetch) return;
  // The prototype that carries the mark of the hook; the function itself shows nothing of ours.
  Object.defineProperty(Object.getPrototypeOf(fetch), RUNTIME, { value: runtime, configurable: true });
}
