import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { SpendfuseError } from "../core/errors.ts";
import { limitConnections } from "./connection-limit.ts";
import { type Answer, openExchange, type Route, sendAnswer } from "./exchange.ts";

export interface HttpServerOptions {
  /** The server's name in errors: `the breaker`. */
  readonly name: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Default 5,000: half of all, so that one address cannot keep out the others. */
  readonly connectionsPerAddress?: number | undefined;
  readonly route: Route;
  /** How long a request may take to arrive, in milliseconds; default 30 s. */
  readonly requestMs?: number;
  /** Takes over the connection of a request that opens a WebSocket. Absent: it is a request like others. */
  readonly upgrade?: (request: IncomingMessage, client: Socket) => Promise<void>;
  /** The answer to a request whose route has thrown. */
  readonly failed: (error: unknown) => Answer;
}

export interface HttpServer {
  /** Such as `http://127.0.0.1:4319`, without a slash at its end. */
  readonly url: string;
  /** Lets the process end while it listens. */
  unref(): void;
  /** Ends all connections. */
  close(): Promise<void>;
}

const TIMEOUTS = {
  requestTimeout: 30_000,
  headersTimeout: 10_000,
  keepAliveTimeout: 30_000,
  connectionsCheckingInterval: 5_000,
};
/** Of clients that connect before they have something to say. */
const PATIENT_MS = 5 * 60_000;
const MAX_CONNECTIONS = 10_000;
const MAX_PER_ADDRESS = 5_000;

/** Serves HTTP until it is closed. @throws SpendfuseError `SPENDFUSE_CONFIG` when it cannot listen, such as on a taken port. */
export async function serveHttp(options: HttpServerOptions): Promise<HttpServer> {
  const {
    name,
    host = "127.0.0.1",
    port,
    connectionsPerAddress = MAX_PER_ADDRESS,
    route,
    failed,
    requestMs,
    upgrade,
  } = options;
  const limits = { ...TIMEOUTS, ...(requestMs !== undefined && patientLimits(requestMs)) };
  const server = createServer({ ...limits, shouldUpgradeCallback: isWebSocket }, (request, response) => {
    const exchange = openExchange(request, response);
    Promise.resolve()
      .then(() => route(exchange))
      .then((answer) => answer && sendAnswer(response, answer))
      .catch((error: unknown) => {
        if (response.headersSent || response.destroyed) return void response.destroy();
        sendAnswer(response, failed(error));
      });
  });
  server.maxConnections = MAX_CONNECTIONS;
  const keepBusy = limitConnections(server, connectionsPerAddress);
  const upgraded = new Set<Socket>();
  if (upgrade !== undefined) {
    server.on("upgrade", (request: IncomingMessage, client: Socket, first: Buffer) => {
      keepBusy(client);
      takeOver(upgraded, client, first);
      if (isWebSocket(request)) upgrade(request, client).catch(() => client.destroy());
      else client.end(NOT_FOLLOWED);
    });
  }
  await listen(server, host, port).catch((cause: NodeJS.ErrnoException) => {
    const why = whyNotListening(cause, port);
    const message = `${name} cannot listen on ${host}:${port}: ${why}`;
    throw new SpendfuseError("SPENDFUSE_CONFIG", message, { host, port }, cause);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}`,
    unref: () => void server.unref(),
    close() {
      for (const socket of upgraded) socket.destroy();
      return close(server);
    },
  };
}

function whyNotListening({ code, message }: NodeJS.ErrnoException, port: number): string {
  if (code === "EADDRINUSE") return `port ${port} is taken: choose another with --port`;
  if (code === "EACCES") return `this user may not use port ${port}: choose one above 1023 with --port`;
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
    return `no interface of this machine has that address: choose 127.0.0.1 or 0.0.0.0 with --host (${message})`;
  return `${message}; choose another address with --host and --port`;
}

/** Upgrades to other protocols, such as HTTP/2, are not followed: the request is answered as it is. */
function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === "websocket";
}

/** In versions of Node that ask nobody whether to follow. */
const NOT_FOLLOWED = "HTTP/1.1 501 Not Implemented\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

function takeOver(upgraded: Set<Socket>, client: Socket, first: Buffer): void {
  upgraded.add(client);
  client.on("close", () => upgraded.delete(client)).on("error", () => {});
  client.setNoDelay(true);
  if (first.length > 0) client.unshift(first);
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

function patientLimits(requestTimeout: number): { requestTimeout: number; headersTimeout: number } {
  return { requestTimeout, headersTimeout: Math.min(requestTimeout, PATIENT_MS) };
}
