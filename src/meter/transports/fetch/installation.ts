import { HOOKED, type Hook } from "./hook.ts";

/** What we put into the process, and take out again. */
export interface Installation {
  /** Does nothing where it is done, or where another copy of the package has done it. */
  install(): void;
  remove(): void;
}

/** `listeners` begin when the hook is in place; each returns what ends it. */
export function createInstallation(hook: Hook, listeners: readonly (() => () => void)[]): Installation {
  let installed: { readonly hooked: typeof fetch; readonly original: typeof fetch } | undefined;
  let leave: readonly (() => void)[] = [];

  function install(): void {
    if (installed && globalThis.fetch === installed.hooked) return;
    const original = globalThis.fetch;
    if (typeof original !== "function" || HOOKED in original) return;
    // Somebody may wrap what we installed, and keep it when we are gone.
    const hooked: typeof fetch = hook.wrap(original, () => installed?.hooked === hooked);
    globalThis.fetch = hooked;
    installed = { hooked, original };
    if (leave.length === 0) leave = listeners.map((listen) => listen());
  }

  return {
    install,
    remove() {
      if (installed && globalThis.fetch === installed.hooked) globalThis.fetch = installed.original;
      installed = undefined;
      for (const step of leave) step();
      leave = [];
    },
  };
}
