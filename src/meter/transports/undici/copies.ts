import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Dispatch, Dispatcher } from "./dispatcher.ts";

/** Hooks the dispatchers of every copy of the undici package that the app loads. */
export interface Copies {
  install(): void;
  /** Puts each copy's own function back. */
  remove(): void;
}

/** Where a copy defines what all its dispatchers inherit: clients, pools, agents and proxies. */
const MODULE = "dispatcher-base";
const IN_CACHE = /[\\/]dispatcher-base\.js$/;
const REQUIRED = "tracing:module.require:end";
const CREATED = "undici:request:create";
/** Which dispatcher is used by default, in versions up to 7 and from 7 on; Node's own copy has its place there too. */
const GLOBALS = [Symbol.for("undici.globalDispatcher.1"), Symbol.for("undici.globalDispatcher.2")] as const;

/**
 * Nothing is loaded: Node reports each module that is required, also by an import. Node's own copy serves the global
 * `fetch`, and is hooked only once the app has loaded the package, whose functions may be given its dispatcher.
 */
export function createCopies(hook: (original: Dispatch) => Dispatch, onFault: (error: unknown) => void): Copies {
  const hooked = new Map<Dispatcher, { readonly original: Dispatch; readonly ours: Dispatch }>();
  let known: unknown[] = [];
  let installed = false;

  function add(prototype: Dispatcher): void {
    if (hooked.has(prototype)) return;
    const descriptor = Object.getOwnPropertyDescriptor(prototype, "dispatch") as PropertyDescriptor;
    const original = descriptor.value as Dispatch;
    if (HOOKED in original) return;
    const ours = hook(original);
    Object.defineProperty(prototype, "dispatch", { ...descriptor, value: ours });
    if (hooked.size === 0) subscribe(CREATED, seeCreated);
    hooked.set(prototype, { original, ours });
  }

  function addGlobals(): void {
    const now = GLOBALS.map((symbol) => (globalThis as Record<symbol, unknown>)[symbol]);
    if (now.every((dispatcher, index) => dispatcher === known[index])) return;
    known = now;
    for (const dispatcher of now) {
      const base = baseOf(dispatcher);
      if (base !== undefined) add(base);
    }
  }

  function addClass(exported: unknown): void {
    const prototype = typeof exported === "function" ? (exported.prototype as unknown) : undefined;
    if (!isBase(prototype)) return;
    add(prototype);
    addGlobals();
  }

  function seeRequired(message: unknown): void {
    const { id, result } = message as { readonly id: unknown; readonly result?: unknown };
    if (typeof id !== "string" || !(id.endsWith(MODULE) || id.endsWith(`${MODULE}.js`))) return;
    try {
      addClass(result);
    } catch (error) {
      onFault(error);
    }
  }

  /** The default dispatcher may have changed: Node's own copy sets one when fetch is first used. */
  function seeCreated(): void {
    const all = globalThis as Record<symbol, unknown>;
    if (all[GLOBALS[0]] === known[0] && all[GLOBALS[1]] === known[1]) return;
    try {
      addGlobals();
    } catch (error) {
      onFault(error);
    }
  }

  return {
    install() {
      if (installed) return;
      installed = true;
      subscribe(REQUIRED, seeRequired);
      for (const [path, exported] of loadedModules()) if (IN_CACHE.test(path)) addClass(exported);
    },
    remove() {
      if (!installed) return;
      installed = false;
      unsubscribe(REQUIRED, seeRequired);
      unsubscribe(CREATED, seeCreated);
      for (const [prototype, { original, ours }] of hooked) {
        const descriptor = Object.getOwnPropertyDescriptor(prototype, "dispatch");
        // Other code may have wrapped ours, which then only passes requests on.
        if (descriptor?.value === ours)
          Object.defineProperty(prototype, "dispatch", { ...descriptor, value: original });
      }
      hooked.clear();
      known = [];
    },
  };
}

/** Marks our function, also that of another copy of this package. */
export const HOOKED = Symbol.for("spendfuse.undici");

function loadedModules(): [path: string, exported: unknown][] {
  const { _cache: cache = {} } = process.getBuiltinModule("node:module") as {
    readonly _cache?: Readonly<Record<string, { readonly exports?: unknown } | undefined>>;
  };
  return Object.entries(cache).map(([path, module]) => [path, module?.exports]);
}

/** The prototype, among a dispatcher's own, from which it has `dispatch` in common with the others of its copy. */
function baseOf(dispatcher: unknown): Dispatcher | undefined {
  if (typeof dispatcher !== "object" || dispatcher === null) return undefined;
  let found: Dispatcher | undefined;
  for (let at: unknown = Object.getPrototypeOf(dispatcher); at; at = Object.getPrototypeOf(at)) {
    if (isBase(at)) found = at;
  }
  return found;
}

function isBase(prototype: unknown): prototype is Dispatcher {
  if (typeof prototype !== "object" || prototype === null) return false;
  return declares(prototype) && declares(Object.getPrototypeOf(prototype));
}

function declares(prototype: unknown): boolean {
  const names = ["dispatch", "close", "destroy"];
  return (
    typeof prototype === "object" &&
    prototype !== null &&
    names.every((name) => typeof Object.getOwnPropertyDescriptor(prototype, name)?.value === "function")
  );
}
