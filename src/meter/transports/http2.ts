import type { ClientHttp2Session } from "node:http2";
import { Duplex } from "node:stream";
import type { CallMeter } from "../call/call-meter.ts";
import { type ChannelListeners, isLoaded, listenTo } from "../wire/channels.ts";
import { createRequest, type Request } from "./http2/hold.ts";
import type { Transport } from "./transport.ts";

/** On the prototype of our function: a copy of the package has replaced the original. */
const HOOKED = Symbol.for("spendfuse.http2");

/** What Node loads with `node:http2`. */
const HTTP2 = "internal/http2/core";

type Session = { request: Request };

/** `node:http2`: the AWS SDK, which uses it by default for some of its services. */
export const http2: Transport = {
  name: "http2",

  connect(meter: CallMeter, enabled: () => boolean) {
    let installed: { readonly sessions: Session; readonly original: Request; readonly hooked: Request } | undefined;
    let leave: (() => void) | undefined;

    function hookLoaded(): boolean {
      if (isLoaded(HTTP2) !== true) return false;
      leave?.();
      leave = undefined;
      const sessions = findSessions();
      const { request: original } = sessions;
      if (HOOKED in original) return false;
      const hooked = likeMethod(
        createRequest(meter, original, () => installed?.hooked === hooked && enabled()),
        original,
      );
      replace(sessions, hooked);
      installed = { sessions, original, hooked };
      return true;
    }

    // Nothing tells that the module is loaded. What needs it opens a socket; in Node 22 those of TLS are not told of.
    const listeners: ChannelListeners = {
      "net.client.socket": () => void hookLoaded(),
      "tracing:module.require:end": () => void hookLoaded(),
    };
    const listen = listenTo(listeners, (error) => meter.faults.report("request", error));

    return {
      install() {
        if (installed !== undefined || leave !== undefined) return true;
        if (isLoaded(HTTP2)) return hookLoaded();
        leave = listen();
        return true;
      },
      remove() {
        leave?.();
        leave = undefined;
        if (installed?.sessions.request === installed?.hooked && installed)
          replace(installed.sessions, installed.original);
        installed = undefined;
      },
    };
  },
};

/** What all sessions of clients inherit from. Node does not export it: a session that goes nowhere shows it. */
function findSessions(): Session {
  const { connect } = process.getBuiltinModule("node:http2");
  const nowhere = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const session: ClientHttp2Session = connect("http://localhost", { createConnection: () => nowhere });
  session.on("error", () => {});
  session.destroy();
  return Object.getPrototypeOf(session) as Session;
}

function likeMethod(ours: Request, original: Request): Request {
  for (const shown of ["name", "length"] as const) {
    Object.defineProperty(ours, shown, { value: original[shown], configurable: true });
  }
  const mark = Object.create(Object.getPrototypeOf(original) as object, { [HOOKED]: { value: true } }) as object;
  return Object.setPrototypeOf(ours, mark) as Request;
}

function replace(sessions: Session, request: Request): void {
  const descriptor = Object.getOwnPropertyDescriptor(sessions, "request");
  Object.defineProperty(sessions, "request", { ...descriptor, value: request });
}
