import type { Faults } from "../../core/faults.ts";
import { hasBaggage } from "../tracing/otel-global.ts";
import { type ChannelListeners, listenTo } from "../wire/channels.ts";
import { BAGGAGE, isOurs, restOf } from "../wire/scope-headers.ts";
import { PREFIX } from "./baggage.ts";

/**
 * Takes what is ours off requests to model hosts that the hook does not see, or that other tracing writes into
 * inside of it: what we were sent is in its context as well. These are the last moments at which Node lets headers be
 * changed; a list of headers that is given to `http.request`, and headers that are set later, it does not.
 * @param mayCarry Whether a request to this host, made where we are called, may have them.
 */
export function createVendorGuard(mayCarry: (host: string) => boolean, faults: Faults): () => () => void {
  const listeners: ChannelListeners = {
    "undici:request:create"({ request }: { readonly request: UndiciRequest }) {
      const { headers } = request;
      const ours = Array.isArray(headers) && hasOurs(headers);
      // OpenTelemetry subscribes after us, and writes the headers of its context.
      const watched = !ours && hasBaggage(PREFIX);
      if ((!ours && !watched) || mayCarry(hostOf(request.origin))) return;
      if (ours) dropFrom(headers as unknown[]);
      if (typeof request.addHeader !== "function") return;
      const { addHeader } = request;
      request.addHeader = function (name, value) {
        if (!isOurs(name, value)) return addHeader.call(this, name, value);
        const rest = restOf(name, value);
        return rest === undefined ? this : addHeader.call(this, name, rest);
      };
    },
    "http.client.request.created"({ request }: { readonly request: NodeRequest }) {
      if (request.headersSent) return;
      const ours = request.getHeaderNames().filter((name) => isOurs(name, request.getHeader(name)));
      if (ours.length === 0 || mayCarry(String(request.getHeader("host") ?? request.host))) return;
      for (const name of ours) {
        const rest = restOf(name, request.getHeader(name));
        if (rest === undefined) request.removeHeader(name);
        else request.setHeader(name, rest);
      }
    },
  };

  return listenTo(listeners, (error) => faults.report("identity", error));
}

interface UndiciRequest {
  readonly origin?: string | URL;
  /** Names and values in turn. */
  readonly headers: unknown;
  addHeader?: (name: string, value: string) => unknown;
}

interface NodeRequest {
  readonly host: string;
  readonly headersSent: boolean;
  getHeaderNames(): string[];
  getHeader(name: string): unknown;
  setHeader(name: string, value: string): unknown;
  removeHeader(name: string): unknown;
}

function hostOf(origin: string | URL | undefined): string {
  return URL.parse(String(origin))?.host ?? "";
}

/** Runs for every request: most names are ruled out by their length or first letter. */
function hasOurs(headers: readonly unknown[]): boolean {
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at];
    if (typeof name !== "string" || name.length < BAGGAGE.length) continue;
    if (name.length > BAGGAGE.length && (name.charCodeAt(0) | LOWER) !== X) continue;
    if (isOurs(name, headers[at + 1])) return true;
  }
  return false;
}

const LOWER = 0x20;
const X = 0x78;

function dropFrom(headers: unknown[]): void {
  for (let at = headers.length - 2; at >= 0; at -= 2) {
    if (!isOurs(headers[at], headers[at + 1])) continue;
    const rest = restOf(String(headers[at]), headers[at + 1]);
    if (rest === undefined) headers.splice(at, 2);
    else headers[at + 1] = rest;
  }
}
