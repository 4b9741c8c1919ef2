import { lazy } from "../../../core/values/lazy.ts";
import type { CallMeter } from "../../call/call-meter.ts";
import { type ChannelListeners, listenTo } from "../../wire/channels.ts";
import * as registry from "../../wire/formats/registry.ts";
import type { Host, HostLookup } from "../../wire/hosts.ts";
import { withoutSlashes } from "../../wire/target.ts";
import { createReasoning, type Reason, type Sent, type Way, warningOf } from "./rules.ts";

/** At most this many hosts are logged; more are only counted. */
const MAX_NAMED = 100;
const MAX_ORIGINS = 1_000;

/** Where a request goes. */
interface Place {
  readonly address: string;
  readonly host: Host | undefined;
}

type WatchedMeter = Pick<CallMeter, "inFlight" | "faults" | "lookup" | "isProxy">;

/** What is known of the requests of this process, which each step of looking at one is given. */
interface BypassState {
  readonly meter: WatchedMeter;
  readonly say: (message: string) => void;
  readonly onBypass: (host: string) => void;
  readonly reasoning: () => (sent: Sent, way: Way, host: Host | undefined) => Reason | undefined;
  /** Hosts that were logged. */
  readonly named: Set<string>;
  /** By origin; undefined for what is no address. */
  places: Map<string, Place | undefined>;
  /** The rows of hosts that the places were found in. */
  lookup: HostLookup | undefined;
}

/**
 * Detects the model calls that go around our hook, on the channels where Node's own transports and the undici package
 * report each request. It knows them only by their names, so that nothing is loaded. Returns what begins to listen.
 * @param onBypass A request that costs money left unmetered, to this host: in lower case, with an unusual port.
 */
export function createBypassWatch(
  meter: WatchedMeter,
  say: (message: string) => void,
  onBypass: (host: string) => void,
): () => () => void {
  const { inFlight, faults } = meter;
  const state: BypassState = {
    meter,
    say,
    onBypass,
    reasoning: lazy(() => createReasoning(Object.values(registry))),
    named: new Set(),
    places: new Map(),
    lookup: undefined,
  };
  const listeners: ChannelListeners = {
    "undici:request:create": ({ request }: { readonly request: UndiciRequest }) => seeUndici(state, request),
    "undici:request:bodySent": ({ request }: { readonly request: object }) => inFlight.sent(request),
    "undici:request:headers": ({ request, response }: UndiciAnswer) => inFlight.answered(request, response.statusCode),
    "undici:request:error": ({ request }: { readonly request: object }) => inFlight.answered(request, undefined),
    "undici:client:connected": ({ socket }: { readonly socket?: object }) => markUndici(socket),
    "http.client.request.start": ({ request }: { readonly request: NodeRequest }) => seeHttp(state, request),
    "http2.client.stream.start": (start: Http2Start) => seeHttp2(state, start),
  };
  inFlight.onDisclaimed = (request) =>
    faults.guard("bypass", () => {
      if ("getHeader" in request) seeHttp(state, request as NodeRequest);
      else seeUndici(state, request as UndiciRequest);
    });
  return listenTo(listeners, (error) => faults.report("bypass", error));
}

function seeUndici(state: BypassState, request: UndiciRequest): void {
  const method = request.method.toUpperCase();
  const socket = request.upgrade?.toLowerCase() === "websocket";
  if (method !== "POST" && !socket) return;
  const { origin = "" } = request;
  const header = (key: string) => undiciHeader(request.headers, key);
  see(
    state,
    request,
    typeof origin === "string" ? origin : origin.origin,
    request.path,
    { method, socket, header },
    "undici",
  );
}

/** An HTTP/2 session shows the properties of its socket. A socket that was open before us stays without the mark. */
function markUndici(socket: object | undefined): void {
  if (socket) (socket as { [UNDICI]?: true })[UNDICI] = true;
}

function seeHttp(state: BypassState, request: NodeRequest): void {
  const method = request.method.toUpperCase();
  const header = (key: string) => {
    const value = request.getHeader(key);
    return value === undefined ? undefined : String(value);
  };
  const socket = method === "GET" && header("upgrade")?.toLowerCase() === "websocket";
  if (method !== "POST" && !socket) return;
  const origin = `${request.protocol}//${header("host") ?? request.host}`;
  see(state, request, origin, request.path, { method, socket, header }, "http");
}

function seeHttp2(state: BypassState, { stream, headers }: Http2Start): void {
  const method = String(headers[":method"] ?? "GET").toUpperCase();
  const socket = headers[":protocol"] === "websocket";
  if ((method !== "POST" && !socket) || stream.session?.socket?.[UNDICI]) return;
  const header = (key: string) => headers[key] as string | undefined;
  const origin = `${headers[":scheme"] ?? "https"}://${headers[":authority"] ?? headers.host}`;
  see(state, stream, origin, String(headers[":path"] ?? "/"), { method, socket, header }, "http2");
}

/** Reports a request when it costs money and is none of ours. */
function see(
  state: BypassState,
  request: object,
  origin: string,
  target: string,
  sent: Omit<Sent, "path">,
  way: Way,
): void {
  const { inFlight } = state.meter;
  // To a proxy, the whole address is written where otherwise the path is.
  const url = target.startsWith("/") ? undefined : URL.parse(target);
  const place = placeOf(state, url?.origin ?? origin);
  if (place === undefined) return;
  const path = trim(url?.pathname ?? target);
  // Most are metered calls, which need no reason.
  const inside = inFlight.isInside(path);
  if (inside && inFlight.owns(request, place.address, path)) return;
  if (state.meter.isProxy(place.address)) return;
  const reason = state.reasoning()({ ...sent, path }, way, place.host);
  if (reason === undefined || (!inside && inFlight.owns(request, place.address, path))) return;
  state.onBypass(place.address);
  warnOnce(state, place.address, reason);
}

function placeOf(state: BypassState, origin: string): Place | undefined {
  const lookup = state.meter.lookup();
  if (lookup !== state.lookup || state.places.size >= MAX_ORIGINS) state.places = new Map();
  state.lookup = lookup;
  const { places } = state;
  let place = places.get(origin);
  if (place === undefined && !places.has(origin)) {
    const address = URL.parse(origin)?.host;
    place = address ? { address, host: lookup(address) } : undefined;
    places.set(origin, place);
  }
  return place;
}

function warnOnce({ named, say }: BypassState, host: string, reason: Reason): void {
  if (named.has(host) || named.size >= MAX_NAMED) return;
  named.add(host);
  say(warningOf(host, reason));
}

/** Marks a socket of undici's, whose HTTP/2 streams were seen as requests of undici's already. */
export const UNDICI: unique symbol = Symbol("spendfuse.undici");

interface UndiciRequest {
  readonly method: string;
  readonly origin?: string | URL;
  readonly path: string;
  readonly upgrade?: string | null;
  /** Names and values in turn; lines of text in old versions. */
  readonly headers: readonly string[] | string;
}

interface UndiciAnswer {
  readonly request: object;
  readonly response: { readonly statusCode: number };
}

interface NodeRequest {
  readonly method: string;
  readonly protocol: string;
  readonly host: string;
  readonly path: string;
  getHeader(name: string): unknown;
}

interface Http2Start {
  readonly stream: { readonly session?: { readonly socket?: { readonly [UNDICI]?: true } } };
  readonly headers: Readonly<Record<string, unknown>>;
}

function undiciHeader(headers: UndiciRequest["headers"], name: string): string | undefined {
  const list = typeof headers === "string" ? headers.split(/: |\r\n/) : headers;
  const at = list.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === name);
  return at < 0 ? undefined : list[at + 1];
}

/** A path as a call's is written: without query and trailing slashes. */
function trim(target: string): string {
  const end = target.search(/[?#]/);
  return withoutSlashes(end < 0 ? target : target.slice(0, end));
}
