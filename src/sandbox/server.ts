import { readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { type Answer, type Exchange, findRoute, type Route, type Routes } from "../http/exchange.ts";
import { foreignHost } from "../http/own-host.ts";
import { serveHttp } from "../http/server.ts";
import { PACKAGE_ROOT } from "../package/root.ts";
import { costSeries } from "./account/cost-series.ts";
import { searchEvents } from "./account/events/v2.ts";
import { BodyFault, parseJson, readUnpacked } from "./body.ts";
import { changeBudget, readBudgets } from "./budgets.ts";
import { type BreakerLink, changeCircuit, readCircuits } from "./circuits.ts";
import { draw } from "./draw.ts";
import { createRateLimiter, type RateLimit } from "./intake/rate-limits.ts";
import { createIntake } from "./intake.ts";
import { queryMetrics } from "./metrics-query.ts";
import type { Sandbox } from "./sandbox.ts";
import { viewState } from "./state.ts";
import type { DrawOrder, EventsAnswer } from "./view.ts";

export interface SandboxServer {
  /** Without a slash at its end. */
  readonly url: string;
  /** Sets the breaker whose circuits the page shows. */
  link(breaker: BreakerLink): void;
  close(): Promise<void>;
}

export interface ServerOptions {
  /** 0 is any that is free. */
  readonly port: number;
  readonly breaker?: BreakerLink | undefined;
  /** Of the API; none when absent. */
  readonly rateLimit?: RateLimit | undefined;
}

const LIMITS = { sent: 5_242_880, unpacked: 5_242_880 };
const TICK_MS = 200;
const BUILT_PAGE = join(PACKAGE_ROOT, "dist", "page");
const PAGE_HEADERS = {
  "content-security-policy":
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
  "x-content-type-options": "nosniff",
  "cache-control": "no-cache",
};
/** Events over one graph. */
const MAX_EVENTS = 100;
const MAX_SKIP_S = 31 * 86_400;

/** Serves a sandbox on this machine alone: intake, API and page. Its monitors are evaluated as its clock runs. */
export async function startSandboxServer(sandbox: Sandbox, options: ServerOptions): Promise<SandboxServer> {
  const intake = createIntake(sandbox);
  let breaker = options.breaker;
  const costs = () => costSeries(sandbox.account.customCosts(), sandbox.clock.now);

  const routes: Routes = {
    ...intake.routes,
    "/": page("index.html", "text/html; charset=utf-8"),
    "/main.js": page("main.js", "text/javascript; charset=utf-8"),
    "/style.css": page("style.css", "text/css; charset=utf-8"),
    "/sandbox/state": {
      GET: own(async () => {
        const [circuits, budgets] = await Promise.all([readCircuits(breaker), readBudgets(breaker)]);
        return ok(viewState(sandbox, intake.spans, circuits, budgets));
      }),
    },
    "/sandbox/tags": {
      GET: own(async ({ query }) => ok({ values: sandbox.store.valuesOf(query.get("key") ?? "") })),
    },
    "/sandbox/draw": {
      POST: own(async (exchange) => ok(draw((await bodyOf(exchange)) as DrawOrder, sandbox.store, costs))),
    },
    "/sandbox/events": { GET: own(async ({ query }) => ok(eventsOf(sandbox, query))) },
    "/sandbox/clock": { POST: own(async (exchange) => moveClock(sandbox, await bodyOf(exchange))) },
    "/sandbox/circuits/trip": {
      POST: own(async (exchange) => changeCircuit(breaker, "trip", await bodyOf(exchange))),
    },
    "/sandbox/circuits/reset": {
      POST: own(async (exchange) => changeCircuit(breaker, "reset", await bodyOf(exchange))),
    },
    "/sandbox/budgets": { POST: own(async (exchange) => changeBudget(breaker, await bodyOf(exchange))) },
    "/api/v1/query": { GET: async ({ query }) => queryMetrics(query, sandbox.store) },
  };

  const limiter = options.rateLimit && createRateLimiter(options.rateLimit, () => Date.now() / 1_000);

  async function limited(exchange: Exchange): Promise<Answer | undefined> {
    const taken = limiter?.take(exchange.method, exchange.path);
    const answer = taken?.refusal ?? (await route(exchange));
    if (taken === undefined || answer === undefined) return answer;
    return { ...answer, headers: { ...answer.headers, ...taken.headers } };
  }

  async function route(exchange: Exchange): Promise<Answer | undefined> {
    const foreign = foreignHost(exchange.request);
    if (foreign !== undefined) {
      return refuse(403, `the sandbox answers only to names of this machine, not to ${foreign.slice(0, 100)}`);
    }
    if (isFromOtherPage(exchange.request)) return refuse(403, "pages of other sites may not post here");
    const match = findRoute(routes, exchange);
    if (match.type === "route") return match.route(exchange);
    const dashboard = /^GET \/sandbox\/dashboards\/([^/]+)$/.exec(`${exchange.method} ${exchange.path}`)?.[1];
    if (dashboard !== undefined) return own(async () => dashboardOf(sandbox, dashboard))(exchange);
    const { method, path, query, request } = exchange;
    const headers = request.headers as Record<string, string | undefined>;
    const known = sandbox.account.handle({ method, path, query, headers, body: await bodyOf(exchange) });
    return known ?? refuse(404, `the sandbox has no ${method} ${path}`);
  }

  const failed = (error: unknown): Answer =>
    refuse(error instanceof BodyFault ? error.status : 500, (error as Error).message);
  const server = await serveHttp({ name: "the sandbox", port: options.port, route: limited, failed });
  const timer = setInterval(() => void sandbox.tick(), TICK_MS);
  return {
    url: server.url,
    link: (to) => {
      breaker = to;
    },
    close() {
      clearInterval(timer);
      return server.close();
    },
  };
}

async function bodyOf({ request }: Exchange): Promise<unknown> {
  return parseJson(await readUnpacked(request, LIMITS));
}

function ok(body: unknown): Answer {
  return { status: 200, body };
}

function refuse(status: number, message: string): Answer {
  return { status, body: { errors: [message] } };
}

function dashboardOf({ account }: Sandbox, wanted: string): Answer {
  const found = account.dashboards().find(({ id }) => id === wanted);
  return found === undefined ? refuse(404, "no such dashboard") : ok(found.body);
}

function eventsOf({ account }: Sandbox, query: URLSearchParams): EventsAnswer {
  const [from, to] = ["from", "to"].map((name) => Number(query.get(name) ?? Number.NaN)) as [number, number];
  const found = searchEvents(account.events(), query.get("q") ?? "", from, to).slice(0, MAX_EVENTS);
  return { events: found.map(({ at, title, alertType: type }) => ({ at, title, type })) };
}

function page(name: string, type: string): { readonly GET: Route } {
  return {
    GET: async () => {
      try {
        const body = await readFile(join(BUILT_PAGE, name));
        return { status: 200, body, headers: { "content-type": type, ...PAGE_HEADERS } };
      } catch {
        return refuse(503, "the page is not built: npm run page");
      }
    },
  };
}

async function moveClock(sandbox: Sandbox, body: unknown): Promise<Answer> {
  const seconds = (body as { advance?: unknown } | undefined)?.advance;
  if (sandbox.clock.type === "real") return refuse(409, "the clock is the real one");
  if (typeof seconds !== "number" || !(seconds > 0 && seconds <= MAX_SKIP_S))
    return refuse(400, `"advance" must be seconds, ${MAX_SKIP_S} at most`);
  await sandbox.advance(seconds);
  return ok({ now: sandbox.clock.now() });
}

/** Whether a browser sends something for a page of another site, on this machine or elsewhere. Such a page may link here. */
function isFromOtherPage({ headers, method }: IncomingMessage): boolean {
  if (method === "GET" || method === "HEAD") return false;
  const { "sec-fetch-site": site = "none" } = headers;
  return (site !== "none" && site !== "same-origin") || hasOtherOrigin(headers);
}

function hasOtherOrigin({ host, origin }: IncomingMessage["headers"]): boolean {
  return origin !== undefined && origin !== `http://${host}`;
}

/**
 * A route for the sandbox's own page alone: other sites reach this port through a browser on this machine, by DNS
 * rebinding or by a form.
 */
function own(route: Route): Route {
  return async (exchange) =>
    isOwn(exchange.request) ? route(exchange) : refuse(403, "only the sandbox's own page may ask for this");
}

function isOwn({ headers, method }: IncomingMessage): boolean {
  if (hasOtherOrigin(headers)) return false;
  return method === "GET" || headers["content-type"]?.startsWith("application/json") === true;
}
