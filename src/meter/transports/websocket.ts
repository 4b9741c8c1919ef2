import type { CallMeter } from "../call/call-meter.ts";
import { listenTo } from "../wire/channels.ts";
import type { Transport } from "./transport.ts";
import { createGlobalSockets, type OpenedSocket } from "./websocket/global-socket.ts";
import type { UndiciHandshake } from "./websocket/pending-handshakes.ts";
import { type HttpHandshake, seeHandshake } from "./websocket/ws-socket.ts";

/** Marks a process whose WebSockets are metered, also by another copy of the package. */
const HOOKED = Symbol.for("spendfuse.websocket");

/**
 * WebSockets of the `ws` package and Node's own, seen on the channels on which Node reports their handshakes. Nothing is
 * patched before the first one to a model; then the objects of that connection, and of Node's own its class.
 */
export const websocket: Transport = {
  name: "websocket",

  connect(meter: CallMeter, enabled: () => boolean) {
    let leave: (() => void) | undefined;
    const isOn = (): boolean => leave !== undefined && enabled();
    const sockets = createGlobalSockets(meter, isOn);
    const listen = listenTo(
      {
        "http.client.request.created": ({ request }: { readonly request: HttpHandshake }) =>
          seeHandshake(meter, request, isOn),
        "undici:request:create": ({ request }: { readonly request: UndiciHandshake }) => sockets.seeHandshake(request),
        "undici:websocket:open": ({ websocket }: { readonly websocket?: OpenedSocket }) => sockets.seeOpen(websocket),
      },
      (error) => meter.faults.report("request", error),
    );

    return {
      install() {
        if (leave !== undefined) return true;
        if (HOOKED in process) return false;
        Object.defineProperty(process, HOOKED, { value: true, configurable: true });
        leave = listen();
        return true;
      },
      remove() {
        if (leave === undefined) return;
        leave();
        leave = undefined;
        sockets.restore();
        Reflect.deleteProperty(process, HOOKED);
      },
    };
  },
};
