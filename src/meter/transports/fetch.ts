import { SpendfuseError } from "../../core/errors.ts";
import type { CallMeter } from "../call/call-meter.ts";
import { HOOKED, wrapFetch } from "./fetch/hook.ts";
import type { Transport } from "./transport.ts";

/** The global `fetch`, by which every current SDK sends its calls. */
export const fetch: Transport = {
  name: "fetch",

  connect(meter: CallMeter, enabled: () => boolean) {
    let installed: { readonly hooked: typeof globalThis.fetch; readonly original: typeof globalThis.fetch } | undefined;

    return {
      install() {
        if (installed && globalThis.fetch === installed.hooked) return true;
        const original = globalThis.fetch;
        if (typeof original !== "function" || HOOKED in original) return false;
        // Other code may wrap our fetch, and keep calling it after we are uninstalled.
        const hooked: typeof globalThis.fetch = wrapFetch(
          meter,
          original,
          () => installed?.hooked === hooked && enabled(),
        );
        replaceGlobal(hooked);
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

/** @throws SpendfuseError `SPENDFUSE_CONFIG` where other code has made the global read-only. */
function replaceGlobal(fetch: typeof globalThis.fetch): void {
  try {
    globalThis.fetch = fetch;
  } catch (cause) {
    const message =
      "globalThis.fetch is read-only, so calls through it are not metered: start spendfuse before what makes it so, or give each client wrapFetch(fetch)";
    throw new SpendfuseError("SPENDFUSE_CONFIG", message, {}, cause);
  }
}
