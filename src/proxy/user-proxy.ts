import * as http from "node:http";
import * as https from "node:https";
import type { Duplex } from "node:stream";
import { connect } from "node:tls";

type Env = Readonly<Record<string, string | undefined>>;

/** The user's own HTTP proxy for an address; undefined where it is reached directly. */
export type ProxyLookup = (url: URL) => URL | undefined;

/** Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in small letters first, as curl does. */
export function readUserProxy(env: Env): ProxyLookup {
  const both = (name: string): string | undefined => env[name] || env[name.toUpperCase()] || undefined;
  const exceptions = (both("no_proxy") ?? "")
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== "");
  // Looked up once: each look into the environment of the process is a call into the system.
  const named = { all: both("all_proxy"), http: both("http_proxy"), https: both("https_proxy") };
  if (named.all === undefined && named.http === undefined && named.https === undefined) return () => undefined;
  return (url) => {
    if (exceptions.some((entry) => isException(entry, url))) return undefined;
    const address = (url.protocol === "https:" ? named.https : named.http) ?? named.all;
    if (address === undefined) return undefined;
    const proxy = URL.parse(address.includes("://") ? address : `http://${address}`);
    return proxy !== null && /^https?:$/.test(proxy.protocol) ? proxy : undefined;
  };
}

function isException(entry: string, { hostname, port, protocol }: URL): boolean {
  if (entry === "*") return true;
  const [, name = "", only] = /^(.+?)(?::(\d+))?$/.exec(entry) ?? [];
  if (only !== undefined && only !== (port || (protocol === "https:" ? "443" : "80"))) return false;
  const bare = name.replace(/^\*?\./, "");
  return hostname === bare || hostname.endsWith(`.${bare}`);
}

/** The credentials of a proxy's address, as its header has them. */
export function proxyHeaders({ username, password }: URL): Record<string, string> {
  if (username === "") return {};
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(text).toString("base64")}` };
}

/** An agent whose connections to HTTPS servers go through a tunnel of `proxy`. */
export function createTunnelAgent(proxy: URL): https.Agent {
  const agent = new https.Agent({ keepAlive: true });
  const open = (options: ConnectOptions, done: OnConnected): undefined => {
    const host = options.host ?? "localhost";
    openTunnel(proxy, host, Number(options.port ?? 443)).then(
      (socket) => done(null, connect({ ...(options as object), socket, servername: options.servername ?? host })),
      (error: Error) => done(error),
    );
    return undefined;
  };
  return Object.assign(agent, { createConnection: open });
}

interface ConnectOptions {
  readonly host?: string | null | undefined;
  readonly port?: number | string | null | undefined;
  readonly servername?: string | undefined;
}

type OnConnected = (error: Error | null, socket?: Duplex) => void;

/** A connection to a server through the user's proxy. Rejects when the proxy refuses. */
export function openTunnel(proxy: URL, host: string, port: number): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const { request } = proxy.protocol === "https:" ? https : http;
  const asked = request({
    host: proxy.hostname,
    port: proxy.port || (proxy.protocol === "https:" ? 443 : 80),
    method: "CONNECT",
    path: authority,
    headers: { host: authority, ...proxyHeaders(proxy) },
    agent: false,
  });
  asked.once("error", reject);
  asked.once("connect", ({ statusCode }, socket) => {
    if (statusCode === 200) return resolve(socket);
    socket.destroy();
    reject(new Error(`the HTTP proxy ${proxy.host} answered ${statusCode} to CONNECT ${authority}`));
  });
  asked.end();
  return promise;
}
