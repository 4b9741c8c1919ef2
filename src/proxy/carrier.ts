import * as http from "node:http";
import * as https from "node:https";
import type { Duplex, Readable } from "node:stream";
import { openConnection } from "./connection.ts";
import { createDecoded } from "./decoded.ts";
import { answerOf } from "./node-answer.ts";
import { createTunnelAgent, type ProxyLookup, proxyHeaders } from "./user-proxy.ts";

type Fetch = typeof globalThis.fetch;

/** A fetch over Node's own HTTP. */
export interface Carrier {
  /**
   * Sends a request as it is given: no headers are added but `host` and the length, no redirect is followed, nothing
   * times out. The body is bytes, text or a Node stream; headers are pairs, an object or `Headers`. What is no error is
   * answered with a `NodeAnswer`, whose body is a Node stream, as `node-fetch` does: it costs half of the standard's.
   */
  readonly fetch: Fetch;
  /** Opens a connection to the server of an address, over TLS where that is HTTPS. */
  connect(url: URL): Promise<Duplex>;
  /** Ends the connections that are kept open. */
  close(): void;
}

interface CarrierState {
  readonly proxyOf: ProxyLookup;
  readonly early: boolean;
  readonly plain: http.Agent;
  readonly secure: https.Agent;
  readonly tunnels: Map<string, https.Agent>;
}

/**
 * The global `fetch` waits no longer than five minutes for a chunk, adds headers, and cannot use a proxy in Node 22.
 * @param early Whether the last bytes of an answer may be passed on before its call is settled.
 */
export function createCarrier(proxyOf: ProxyLookup, early = true): Carrier {
  const state: CarrierState = {
    proxyOf,
    early,
    plain: new http.Agent({ keepAlive: true }),
    secure: new https.Agent({ keepAlive: true }),
    tunnels: new Map(),
  };
  return {
    fetch: (input, init) => send(state, new URL(String(input)), init ?? {}, true),
    connect: (url) => openConnection(url, proxyOf(url)),
    close() {
      for (const agent of [state.plain, state.secure, ...state.tunnels.values()]) agent.destroy();
    },
  };
}

function send(state: CarrierState, url: URL, init: RequestInit, mayRepeat: boolean): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const body = (init.body ?? undefined) as unknown as Uint8Array | string | Readable | undefined;
  const request = open(state, url, init, body);
  const signal = init.signal ?? undefined;
  const abort = (): void => void request.destroy(signal?.reason as Error);
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  request.once("close", () => signal?.removeEventListener("abort", abort));
  request.once("response", (message) => {
    try {
      resolve(responseOf(message, init.method ?? "GET", state.early));
    } catch (error) {
      message.destroy();
      reject(error);
    }
  });
  request.on("error", (error: NodeJS.ErrnoException) => {
    // The server had closed a connection that was kept open: nothing was read of the request.
    const stale = request.reusedSocket && error.code === "ECONNRESET" && !signal?.aborted;
    if (stale && mayRepeat && !isStream(body)) send(state, url, init, false).then(resolve, reject);
    else reject(error);
  });
  if (isStream(body)) {
    body.on("error", (error) => request.destroy(error));
    body.pipe(request);
  } else request.end(body);
  return promise;
}

function open(
  state: CarrierState,
  url: URL,
  init: RequestInit,
  body: Uint8Array | string | Readable | undefined,
): http.ClientRequest {
  const headers = grouped(init.headers);
  if (body !== undefined && !isStream(body)) headers["content-length"] = [String(Buffer.byteLength(body))];
  const options = { method: init.method ?? "GET", headers };
  const proxy = state.proxyOf(url);
  if (url.protocol === "https:") {
    return https.request(url, { ...options, agent: proxy === undefined ? state.secure : tunnelOf(state, proxy) });
  }
  if (proxy === undefined) return http.request({ ...options, ...partsOf(url), agent: state.plain });
  return http.request({
    ...options,
    host: proxy.hostname,
    port: proxy.port || 80,
    path: url.href,
    headers: { host: url.host, ...headers, ...proxyHeaders(proxy) },
    agent: state.plain,
  });
}

/** In parts an address costs less than one that Node takes apart for each request. */
function partsOf({ hostname, port, pathname, search, username, password }: URL): http.RequestOptions {
  const host = hostname.replace(/^\[|\]$/g, "");
  const auth = username === "" ? {} : { auth: `${decodeURIComponent(username)}:${decodeURIComponent(password)}` };
  return { host, port, path: pathname + search, ...auth };
}

function tunnelOf({ tunnels }: CarrierState, proxy: URL): https.Agent {
  const known = tunnels.get(proxy.href);
  if (known !== undefined) return known;
  const made = createTunnelAgent(proxy);
  tunnels.set(proxy.href, made);
  return made;
}

function isStream(body: unknown): body is Readable {
  return typeof (body as Readable | undefined)?.pipe === "function";
}

/** Headers in the form of `http.request`, each with all its values. */
function grouped(headers: RequestInit["headers"]): Record<string, string[]> {
  const pairs = headers === undefined ? [] : Symbol.iterator in headers ? headers : Object.entries(headers);
  const found: Record<string, string[]> = {};
  const names = new Map<string, string>();
  for (const [name, value] of pairs as Iterable<[string, string]>) {
    const lower = name.toLowerCase();
    const known = names.get(lower);
    if (known === undefined) {
      names.set(lower, name);
      found[name] = [value];
    } else found[known]?.push(value);
  }
  return found;
}

const WITHOUT_BODY = new Set([204, 205, 304]);

function responseOf(message: http.IncomingMessage, method: string, early: boolean): Response {
  const { statusCode = 502, statusMessage = "", rawHeaders } = message;
  if (statusCode < 400 && method !== "HEAD" && !WITHOUT_BODY.has(statusCode)) {
    return answerOf(message, early) as unknown as Response;
  }
  const headers = new Headers();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    headers.append(rawHeaders[at] as string, rawHeaders[at + 1] as string);
  }
  const init = { status: statusCode, statusText: statusMessage, headers };
  if (method === "HEAD" || WITHOUT_BODY.has(statusCode)) {
    message.resume();
    return new Response(null, init);
  }
  const decoded = createDecoded(message, headers.get("content-encoding") ?? "");
  if (decoded !== undefined) for (const name of ["content-encoding", "content-length"]) headers.delete(name);
  return new Response(streamOf(message, decoded ?? message), { ...init, headers });
}

/** Reads no further ahead than this many bytes. */
const AHEAD = 64 * 1024;

/** @param body The message's own bytes, or what they decode to. */
function streamOf(message: http.IncomingMessage, body: Readable): ReadableStream<Uint8Array<ArrayBuffer>> {
  let over = false;
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start(controller) {
        const fail = (error: unknown): void => {
          if (!over) controller.error(error);
          over = true;
        };
        body.on("data", (chunk: Buffer<ArrayBuffer>) => {
          if (over) return;
          controller.enqueue(chunk);
          if ((controller.desiredSize ?? 0) <= 0) body.pause();
        });
        body.once("end", () => {
          if (!over) controller.close();
          over = true;
        });
        message.once("error", fail);
        body.once("error", fail);
        message.once("close", () => message.complete || fail(new Error("the connection was closed")));
      },
      pull() {
        body.resume();
      },
      cancel() {
        over = true;
        message.destroy();
      },
    },
    { highWaterMark: AHEAD, size: (chunk) => chunk.byteLength },
  );
}
