import { channel } from "node:diagnostics_channel";
import type { ClientRequest } from "node:http";
import type { CallMeter } from "../call/call-meter.ts";
import { listenTo } from "../wire/channels.ts";
import type { Target } from "../wire/target.ts";
import { headersOf, isHoldable } from "./node-http/head.ts";
import { holdRequest } from "./node-http/hold.ts";
import type { Transport } from "./transport.ts";

/** Where `node:http` and `node:https` tell of each request, before anything of it is written. */
const CREATED = "http.client.request.created";
/** On the channel: a copy of the package listens to it. */
const LISTENING = Symbol.for("spendfuse.node-http");

/** `node:http` and `node:https`: axios, got, node-fetch, superagent, and the AWS SDK over HTTP/1. */
export const nodeHttp: Transport = {
  name: "node-http",

  connect(meter: CallMeter, enabled: () => boolean) {
    const listen = listenTo(
      {
        [CREATED]: ({ request }: { readonly request: ClientRequest }) => {
          const target = enabled() ? targetOf(meter, request) : undefined;
          if (target !== undefined && isHoldable(request)) holdRequest(meter, target, request);
        },
      },
      (error) => meter.faults.report("request", error),
    );
    const created = channel(CREATED) as object as { [LISTENING]?: true };
    let leave: (() => void) | undefined;

    return {
      install() {
        if (leave !== undefined) return true;
        if (created[LISTENING]) return false;
        Object.defineProperty(created, LISTENING, { value: true, configurable: true });
        leave = listen();
        return true;
      },
      remove() {
        leave?.();
        if (leave !== undefined) Reflect.deleteProperty(created, LISTENING);
        leave = undefined;
      },
    };
  },
};

/** Undefined for what is neither a model call nor has a price, and for what our fetch carries and has metered. */
function targetOf(meter: CallMeter, request: ClientRequest): Target | undefined {
  const { classifier, inFlight } = meter;
  const { path, method } = request;
  if (
    !(classifier.maybe(path) || meter.hasPrices()) ||
    (method === "GET" && request.getHeader("upgrade") !== undefined)
  )
    return undefined;
  const host = request.getHeader("host") ?? headersOf(request as never).host ?? request.host;
  // To a proxy, the whole address is written where otherwise the path is.
  const target = meter.classify(method, path.startsWith("/") ? `${request.protocol}//${host}${path}` : path);
  return target === undefined || inFlight.isInside(target.path) || inFlight.isMetered() ? undefined : target;
}
