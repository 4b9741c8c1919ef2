import type { CallMeter } from "../call/call-meter.ts";
import { HOOKED, wrapFetch } from "./fetch/hook.ts";
import type { Transport } from "./transport.ts";

/** The global `fetch`, by which every current SDK sends its calls. */
export const fetch: Transport = {
  name: "fetch",

  connect(meter: CallMeter) {
    let installed: { readonly hooked: typeof globalThis.fetch; readonly original: typeof globalThis.fetch } | undefined;

    return {
      install() {
        if (installed && globalThis.fetch === installed.hooked) return true;
        const original = globalThis.fetch;
        if (typeof original !== "function" || HOOKED in original) return false;
        // Other code may wrap our fetch, and keep calling it after we are uninstalled.
        const hooked: typeof globalThis.fetch = wrapFetch(meter, original, () => installed?.hooked === hooked);
        globalThis.fetch = hooked;
        installed = { hooked, original };
        return true;
      },
      remove() {
        if (installed && globalThis.fetch === installed.hooked) globalThis.fetch = installed.original;
        installed = undefined;
      },
    };
  },
};
