import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SpendfuseError } from "../core/errors.ts";
import type { Store } from "../stores/store.ts";
import { isLoopback } from "./access.ts";
import { type Answer, fault, type Route, readJson, send, type Visit } from "./answer.ts";
import { createPermits } from "./auth.ts";
import { createReception } from "./datadog-webhook-route.ts";
import { createEvents } from "./events.ts";
import { createOperations, TTL_MS } from "./operations.ts";

export interface BreakerOptions {
  readonly store: Store;
  /** 0 takes any free port. Default 4319. */
  readonly port?: number;
  /** Default 127.0.0.1. Beyond loopback a webhook secret and an operator token are needed. */
  readonly host?: string;
  /** Each is good; two while one is being replaced. */
  readonly webhookSecrets?: readonly string[];
  /** `USER:PASSWORD`, for webhooks whose secret stands in their address. */
  readonly basic?: string;
  readonly operatorToken?: string;
  /** How long a trip lasts, in milliseconds. Default 15 minutes. */
  readonly ttlMs?: number;
  /** How long a body may take, in milliseconds. */
  readonly bodyMs?: number;
  readonly clock?: () => number;
  readonly say?: (message: string) => void;
}

export interface Breaker {
  /** Such as `http://127.0.0.1:4319`. */
  readonly url: string;
  /** Lets the process end though it listens. */
  unref(): void;
  /** Ends all connections, and leaves the store open. */
  close(): Promise<void>;
}

export const DEFAULT_PORT = 4319;
const BODY_MS = 5_000;

/**
 * Receives Datadog's webhooks, changes circuits, and tells whoever listens.
 * @throws SpendfuseError `SPENDFUSE_CONFIG` when it would listen beyond loopback without secrets, or the port is taken.
 */
export async function startBreaker(options: BreakerOptions): Promise<Breaker> {
  const { store, host = "127.0.0.1", port = DEFAULT_PORT, webhookSecrets = [], basic, operatorToken } = options;
  const { ttlMs = TTL_MS, bodyMs = BODY_MS, clock = Date.now, say = () => {} } = options;
  const open = isLoopback(host);
  if (!open && ((webhookSecrets.length === 0 && basic === undefined) || operatorToken === undefined)) {
    const message = `the breaker listens on ${host}, where others can reach it: set SPENDFUSE_WEBHOOK_SECRET and SPENDFUSE_OPERATOR_TOKEN, or listen on 127.0.0.1`;
    throw new SpendfuseError("SPENDFUSE_CONFIG", message, { host });
  }
  const permits = createPermits({ webhookSecrets, basic, operatorToken, loopback: open, clock });
  const operations = createOperations(store, ttlMs, clock);
  const events = createEvents(clock);
  const unsubscribe = store.subscribe((change) => {
    if (change.type === "circuit") events.tell(change.circuit);
    // What was missed is not known: everybody comes for the whole again, and for a 503 until the store is back.
    else if (change.type !== "recall") events.hangUp();
  });

  const operator =
    (route: Route): Route =>
    async (visit) =>
      permits.toOperator(visit.request) ?? route(visit);

  function change(verb: "trip" | "reset"): Route {
    return operator(async ({ request }) => {
      const read = await readJson(request, bodyMs);
      const name = request.headers["x-spendfuse-operator"];
      return "status" in read ? read : operations.change(verb, read.json, typeof name === "string" ? name : undefined);
    });
  }

  async function stream({ response }: Visit): Promise<undefined> {
    await events.add(response, () => store.circuits());
  }

  async function health(): Promise<Answer> {
    await store.circuit("all");
    return { status: 200, body: { ok: true } };
  }

  const routes: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
    "/webhooks/datadog": { POST: createReception({ store, permits, ttlMs, bodyMs, clock, say }) },
    "/circuits": { GET: async ({ query }) => operations.circuits(query.has("all") && query.get("all") !== "0") },
    "/circuits/trip": { POST: change("trip") },
    "/circuits/reset": { POST: change("reset") },
    "/audit": { GET: operator(async ({ query }) => operations.audit(Number(query.get("limit")))) },
    "/budgets": { GET: operator(async ({ query }) => operations.counts(Number(query.get("limit")))) },
    "/events": { GET: stream },
    "/healthz": { GET: health },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(request.url ?? "/", "http://breaker");
    const path = url?.pathname ?? "";
    const methods = Object.hasOwn(routes, path) ? routes[path] : undefined;
    const route = methods && Object.hasOwn(methods, request.method ?? "") ? methods[request.method ?? ""] : undefined;
    if (methods === undefined)
      return send(response, fault(404, "not_found", `there is only ${Object.keys(routes).join(", ")}`));
    if (route === undefined) {
      const allow = Object.keys(methods).join(", ");
      return send(response, { ...fault(405, "bad_method", `use ${allow}`), headers: { allow } });
    }
    const answer = await route({ request, response, query: url?.searchParams ?? new URLSearchParams() });
    if (answer !== undefined) send(response, answer);
  }

  const server = createServer(
    { requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout: 30_000, connectionsCheckingInterval: 5_000 },
    (request, response) => {
      serve(request, response).catch((error: unknown) => {
        if (response.headersSent || response.destroyed) return void response.destroy();
        // 5xx, so that Datadog sends it again.
        send(response, fault(503, "store_away", error instanceof Error ? error.message : String(error)));
      });
    },
  );
  server.maxConnections = 10_000;

  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      unsubscribe();
      events.close();
      const fix = cause.code === "EADDRINUSE" ? `port ${port} is taken: choose another with --port` : cause.message;
      reject(
        new SpendfuseError(
          "SPENDFUSE_CONFIG",
          `the breaker cannot listen on ${host}:${port}: ${fix}`,
          { host, port },
          cause,
        ),
      );
    });
    server.listen(port, host, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;

  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}`,
    unref: () => server.unref(),
    async close() {
      unsubscribe();
      events.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
