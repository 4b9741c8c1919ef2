import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Faults } from "../faults.ts";
import { mayBeModelPath } from "../request.ts";
import { dropMembers, PREFIX } from "./baggage.ts";

/**
 * Takes our members off the baggage of requests to model hosts that somebody else's tracing put there: those that we
 * were sent are in its context as well. Our hook has seen the headers of a call before that; this is the last moment at
 * which they can still be changed. Returns what begins to look.
 */
export function createVendorGuard(isModelHost: (host: string) => boolean, faults: Faults): () => () => void {
  const isForModel = (host: string, path: string): boolean => mayBeModelPath(path) || isModelHost(host);

  const listeners: Readonly<Record<string, (message: never) => void>> = {
    "undici:request:create"({ request }: { readonly request: UndiciRequest }) {
      const { headers } = request;
      if (!Array.isArray(headers)) return;
      for (let at = 0; at < headers.length; at += 2) {
        if (!isOurs(headers[at], headers[at + 1])) continue;
        const host = URL.parse(String(request.origin))?.host ?? "";
        if (!isForModel(host, request.path)) return;
        const rest = dropMembers(headers[at + 1] as string);
        if (rest === "") headers.splice(at, 2);
        else headers[at + 1] = rest;
        return;
      }
    },
    "http.client.request.created"({ request }: { readonly request: NodeRequest }) {
      const baggage = request.getHeader("baggage");
      if (!isOurs("baggage", baggage)) return;
      if (!isForModel(String(request.getHeader("host") ?? request.host), request.path)) return;
      const rest = dropMembers(baggage as string);
      if (rest === "") request.removeHeader("baggage");
      else request.setHeader("baggage", rest);
    },
  };

  return () => {
    const leave = Object.entries(listeners).map(([channel, listener]) => {
      const guarded = (message: unknown): void => {
        faults.guard("identity", () => listener(message as never));
      };
      subscribe(channel, guarded);
      return () => unsubscribe(channel, guarded);
    });
    return () => {
      for (const step of leave) step();
    };
  };
}

interface UndiciRequest {
  readonly origin?: string | URL;
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: unknown;
}

interface NodeRequest {
  readonly host: string;
  readonly path: string;
  getHeader(name: string): unknown;
  setHeader(name: string, value: string): unknown;
  removeHeader(name: string): unknown;
}

function isOurs(name: unknown, value: unknown): boolean {
  return (
    typeof name === "string" &&
    name.length === 7 &&
    name.toLowerCase() === "baggage" &&
    typeof value === "string" &&
    value.includes(PREFIX)
  );
}
