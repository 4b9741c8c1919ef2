import type { CallMeter } from "../call/call-meter.ts";
import type { Transport } from "./transport.ts";
import { createCopies } from "./undici/copies.ts";
import { wrapDispatch } from "./undici/dispatch.ts";

/** The undici package, majors 5 to 8: its own functions, clients, pools, agents and proxies, and its `fetch`. */
export const undici: Transport = {
  name: "undici",

  connect(meter: CallMeter, enabled: () => boolean) {
    let installed = false;
    const copies = createCopies(
      (original) => wrapDispatch(meter, original, () => installed && enabled()),
      (error) => meter.faults.report("request", error),
    );

    return {
      install() {
        copies.install();
        installed = true;
        return true;
      },
      remove() {
        installed = false;
        copies.remove();
      },
    };
  },
};
