import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { SpendfuseError } from "../core/errors.ts";
import { PACKAGE_ROOT } from "../package/root.ts";
import { BodyFault, parseJson, readBody } from "./body.ts";
import { type BreakerLink, changeCircuit, readCircuits } from "./circuits.ts";
import { draw } from "./draw.ts";
import { type Answer, createIntake } from "./intake.ts";
import { queryMetrics } from "./metrics-query.ts";
import type { Sandbox } from "./sandbox.ts";
import { viewState } from "./state.ts";
import type { DrawOrder } from "./view.ts";

export interface SandboxServer {
  /** Without a slash at its end. */
  readonly url: string;
  /** Names the breaker whose circuits the page shows. */
  link(breaker: BreakerLink): void;
  close(): Promise<void>;
}

export interface ServerOptions {
  /** 0 is any that is free. */
  readonly port: number;
  readonly breaker?: BreakerLink | undefined;
}

const LIMITS = { sent: 5_242_880, unpacked: 5_242_880 };
const TICK_MS = 200;
const BUILT_PAGE = join(PACKAGE_ROOT, "dist", "page");
const PAGE: ReadonlyMap<string, readonly [string, string]> = new Map([
  ["/", ["index.html", "text/html; charset=utf-8"]],
  ["/main.js", ["main.js", "text/javascript; charset=utf-8"]],
  ["/style.css", ["style.css", "text/css; charset=utf-8"]],
]);
const PAGE_HEADERS = {
  "content-security-policy":
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
  "x-content-type-options": "nosniff",
  "cache-control": "no-cache",
};
const MAX_SKIP_S = 31 * 86_400;

/** Serves a sandbox on this machine alone: intake, API and page. Its monitors are evaluated as its clock runs. */
export async function startSandboxServer(sandbox: Sandbox, options: ServerOptions): Promise<SandboxServer> {
  const intake = createIntake(sandbox);
  let breaker = options.breaker;

  async function answer(request: IncomingMessage, url: URL): Promise<Answer> {
    const path = url.pathname;
    const taken = intake.handle(request, path);
    if (taken !== undefined) return taken;
    const file = request.method === "GET" ? PAGE.get(path) : undefined;
    if (file !== undefined) return servePage(file);
    if (path.startsWith("/sandbox/")) return await ownRoutes(request, url);
    const { method = "GET", headers } = request;
    const body = parseJson(await readBody(request, LIMITS));
    if (path === "/api/v1/query" && method === "GET") return queryMetrics(url.searchParams, sandbox.store);
    const known = sandbox.account.handle({
      method,
      path,
      query: url.searchParams,
      headers: headers as Record<string, string | undefined>,
      body,
    });
    return known ?? { status: 404, body: { errors: [`the sandbox has no ${method} ${path}`] } };
  }

  async function ownRoutes(request: IncomingMessage, url: URL): Promise<Answer> {
    if (!isOwn(request)) return { status: 403, body: { errors: ["only the sandbox's own page may ask for this"] } };
    const { method } = request;
    const [, , what, detail] = url.pathname.split("/");
    if (method === "GET" && what === "state")
      return { status: 200, body: viewState(sandbox, intake.spans, await readCircuits(breaker)) };
    if (method === "GET" && what === "dashboards") {
      const found = sandbox.account.dashboards().find(({ id }) => id === detail);
      return found === undefined
        ? { status: 404, body: { errors: ["no such dashboard"] } }
        : { status: 200, body: found.body };
    }
    if (method === "GET" && what === "tags") {
      return { status: 200, body: { values: sandbox.store.valuesOf(url.searchParams.get("key") ?? "") } };
    }
    if (method !== "POST") return { status: 404, body: { errors: ["not found"] } };
    const body = parseJson(await readBody(request, LIMITS));
    if (what === "draw") return { status: 200, body: draw(body as DrawOrder, sandbox.store) };
    if (what === "circuits" && (detail === "trip" || detail === "reset"))
      return await changeCircuit(breaker, detail, body);
    if (what === "clock") return await moveClock(sandbox, body);
    return { status: 404, body: { errors: ["not found"] } };
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      send(response, await answer(request, new URL(request.url ?? "/", "http://localhost")));
    } catch (error) {
      const status = error instanceof BodyFault ? error.status : 500;
      send(response, { status, body: { errors: [(error as Error).message] } });
    }
  }

  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const why = cause.code === "EADDRINUSE" ? "it is taken; name another with --port" : cause.message;
      reject(new SpendfuseError("SPENDFUSE_CONFIG", `cannot listen on port ${options.port}: ${why}`, {}, cause));
    });
    server.listen(options.port, "127.0.0.1", resolve);
  });
  const timer = setInterval(() => void sandbox.tick(), TICK_MS);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    link: (to) => {
      breaker = to;
    },
    async close() {
      clearInterval(timer);
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function servePage([name, type]: readonly [string, string]): Promise<Answer> {
  try {
    const bytes = await readFile(join(BUILT_PAGE, name));
    return { status: 200, body: bytes, headers: { "content-type": type, ...PAGE_HEADERS } };
  } catch {
    const message = "the page is not built: npm run page";
    return { status: 503, body: { errors: [message] } };
  }
}

async function moveClock(sandbox: Sandbox, body: unknown): Promise<Answer> {
  const seconds = (body as { advance?: unknown } | undefined)?.advance;
  if (sandbox.clock.type === "real") return { status: 409, body: { errors: ["the clock is the real one"] } };
  if (typeof seconds !== "number" || !(seconds > 0 && seconds <= MAX_SKIP_S))
    return { status: 400, body: { errors: [`"advance" must be seconds, ${MAX_SKIP_S} at most`] } };
  await sandbox.advance(seconds);
  return { status: 200, body: { now: sandbox.clock.now() } };
}

/** Pages of others reach this port through a browser on this machine, by a name of theirs or by a form. */
function isOwn({ headers, method }: IncomingMessage): boolean {
  const host = headers.host?.replace(/:\d+$/, "");
  if (host !== "127.0.0.1" && host !== "localhost" && host !== "[::1]") return false;
  if (headers.origin !== undefined && headers.origin !== `http://${headers.host}`) return false;
  return method === "GET" || headers["content-type"]?.startsWith("application/json") === true;
}

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  if (Buffer.isBuffer(body)) response.writeHead(status, headers).end(body);
  else if (body === undefined) response.writeHead(status, headers).end();
  else response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}
