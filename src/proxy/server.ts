import type { IncomingMessage } from "node:http";
import { SpendfuseError } from "../core/errors.ts";
import type { ScopeFields } from "../core/scope.ts";
import type { Answer, Exchange } from "../http/exchange.ts";
import { isLoopback } from "../http/own-host.ts";
import { serveHttp } from "../http/server.ts";
import { type Access, createAccess } from "./access.ts";
import { DEFAULT_UPSTREAMS, readAddress, type Upstreams } from "./address.ts";
import { createCarrier } from "./carrier.ts";
import { type ForwardOptions, forward, type Metered } from "./forward.ts";
import { passUpgrade, refuseUpgrade, type Upgrade } from "./sockets/upgrade.ts";
import { readUserProxy } from "./user-proxy.ts";

/** The port of `spendfuse proxy`. */
export const DEFAULT_PORT = 4321;
/** Uploads over a slow connection take a while. */
const UPLOAD_MS = 60 * 60_000;
export const TOKEN_VARIABLE = "SPENDFUSE_PROXY_TOKEN";

/** The meter of this process. */
export interface Meter extends Omit<Metered, "fetch"> {
  wrapFetch(inner: typeof globalThis.fetch): typeof globalThis.fetch;
}

export interface ProxyOptions {
  readonly meter: Meter;
  /** Default 127.0.0.1; another address needs a token. */
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly token?: string | undefined;
  readonly upstreams?: Partial<Upstreams> | undefined;
  /** The agent of requests that name none; without it the program's name. */
  readonly agent?: string | undefined;
  /** What every request belongs to. */
  readonly fields?: ScopeFields;
  /**
   * Runs what sends a request of a program that this process started, by its number. Its calls then settle before it has
   * their answers, so that all are known when it has ended.
   */
  readonly around?: ForwardOptions["around"];
  /** The agent by a request's API key. */
  readonly agentOfKey?: ((headers: IncomingMessage["headers"]) => string | undefined) | undefined;
  /** Requests wait for it; whatever comes of it, they then go on. */
  readonly ready?: Promise<unknown>;
  /** Where the user's own HTTP proxy is named. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface ProxyServer {
  /** Such as `http://127.0.0.1:4321`. */
  readonly url: string;
  unref(): void;
  close(): Promise<void>;
}

/**
 * Serves the APIs of model vendors to programs that cannot be hooked: each request goes to its upstream through the meter
 * of this process.
 * @throws SpendfuseError `SPENDFUSE_CONFIG` when it cannot listen, or would listen to other machines without a token.
 */
export async function startProxy(options: ProxyOptions): Promise<ProxyServer> {
  const { meter, host = "127.0.0.1", port, token, fields = {}, agentOfKey = () => undefined } = options;
  const loopback = isLoopback(host);
  if (!loopback && token === undefined) {
    const fix = `set ${TOKEN_VARIABLE}, and send it as x-spendfuse-token or in the path`;
    const message = `other machines can reach ${host}, so the proxy needs a token: ${fix}`;
    throw new SpendfuseError("SPENDFUSE_CONFIG", message, { host, fix });
  }
  const ready = options.ready?.catch(() => {});
  const carrier = createCarrier(readUserProxy(options.env), options.around === undefined);
  const access = createAccess(loopback, token);
  const forwarding: ForwardOptions = {
    metered: {
      fetch: meter.wrapFetch(carrier.fetch),
      scope: meter.scope,
      extract: meter.extract,
      openSocket: meter.openSocket,
    },
    connect: carrier.connect,
    upstreams: completeUpstreams(options.upstreams ?? {}),
    agent: options.agent,
    around: options.around,
    fields,
    agentOfKey,
  };
  const server = await serveHttp({
    name: "the proxy",
    host,
    port,
    async route(exchange) {
      if (ready !== undefined) await ready;
      return answer(exchange, access, forwarding);
    },
    requestMs: UPLOAD_MS,
    async upgrade(request, client) {
      await ready;
      await answerUpgrade({ request, client }, access, forwarding);
    },
    failed: () => ({ status: 500, body: { error: { message: "spendfuse proxy: the request failed" } } }),
  });
  return {
    url: server.url,
    unref: server.unref,
    async close() {
      await server.close();
      carrier.close();
    },
  };
}

function completeUpstreams(own: Partial<Upstreams>): Upstreams {
  const { openai, anthropic, gemini } = DEFAULT_UPSTREAMS;
  return {
    openai: withoutSlash(own.openai ?? openai),
    anthropic: withoutSlash(own.anthropic ?? anthropic),
    gemini: withoutSlash(own.gemini ?? gemini),
  };
}

function withoutSlash(url: string): string {
  return url.replace(/\/$/, "");
}

async function answer(
  { request, response, path }: Exchange,
  access: Access,
  options: ForwardOptions,
): Promise<Answer | undefined> {
  const address = readAddress(request.url ?? "");
  if (path === "/healthz") {
    const denied = access(request, { token: undefined });
    return denied?.status === 403 ? refuse(403, denied.why) : { status: 200, body: { status: "ok" } };
  }
  const denied = access(request, address);
  if (denied !== undefined) return refuse(denied.status, denied.why);
  if (address === undefined) return refuse(NO_PATH.status, NO_PATH.why);
  return await forward(options, address, request, response);
}

async function answerUpgrade(upgrade: Upgrade, access: Access, options: ForwardOptions): Promise<void> {
  const address = readAddress(upgrade.request.url ?? "");
  const denied = access(upgrade.request, address) ?? (address === undefined ? NO_PATH : undefined);
  if (denied === undefined && address !== undefined) return await passUpgrade(options, address, upgrade);
  const { status, why } = denied ?? NO_PATH;
  refuseUpgrade(upgrade.client, status, JSON.stringify(refuse(status, why).body));
}

const NO_PATH = { status: 404, why: "no such path; it begins with /openai/v1, /anthropic or /gemini" };

function refuse(status: number, why: string): Answer {
  return { status, body: { error: { message: `spendfuse proxy: ${why}` } }, headers: { connection: "close" } };
}
