import { SpendfuseError } from "../core/errors.ts";
import { NO_TAGS } from "../core/tags/tags.ts";
import { type Answer, type Exchange, findRoute, type Route, type Routes } from "../http/exchange.ts";
import { isLoopback } from "../http/own-host.ts";
import { type HttpServer, serveHttp } from "../http/server.ts";
import type { Budget } from "../limits/budget.ts";
import type { Store } from "../stores/store.ts";
import { createAlertmanagerRoute } from "./alertmanager/route.ts";
import { fault, readJson } from "./answer.ts";
import { createAuthorization } from "./auth.ts";
import type { BudgetVerb } from "./budgets/changes.ts";
import { reloadAll } from "./budgets/reload.ts";
import { createDatadogWebhookRoute } from "./datadog-webhook-route.ts";
import { createEvents } from "./events.ts";
import { createOperations, TTL_MS } from "./operations.ts";
import { createHealthRoute, createReadyRoute } from "./probes/routes.ts";

export interface BreakerOptions {
  readonly store: Store;
  /** 0 takes any free port. Default 4319. */
  readonly port?: number;
  /** Default 127.0.0.1. Beyond loopback a webhook secret and an operator token are needed. */
  readonly host?: string;
  /** Any of them is accepted; two during a rotation. */
  readonly webhookSecrets?: readonly string[];
  /** `USER:PASSWORD`, for webhooks with the secret in their URL. */
  readonly basic?: string;
  readonly operatorToken?: string;
  /** How long a trip lasts, in milliseconds. Default 15 minutes. */
  readonly ttlMs?: number;
  /** How long a body may take, in milliseconds. */
  readonly bodyMs?: number;
  readonly connectionsPerAddress?: number;
  readonly clock?: () => number;
  /** The tags that the configuration declares: circuits may be of their values. */
  readonly tags?: readonly string[];
  /** The budgets of the configuration, which operators can change. */
  readonly caps?: () => readonly Budget[];
  /** Reads the configuration again; returns what it did, for people. @throws SpendfuseError `SPENDFUSE_CONFIG` */
  readonly reload?: () => string;
  readonly say?: (message: string) => void;
}

function isSet(query: URLSearchParams, name: string): boolean {
  return query.has(name) && query.get(name) !== "0";
}

/** Its `close` leaves the store open. */
export type Breaker = HttpServer;

export const DEFAULT_PORT = 4319;
const BODY_MS = 5_000;

const TOO_MANY_LISTENERS: Answer = {
  ...fault(
    429,
    "too_many_listeners",
    "too many follow the events, from this address or in all: one a process is enough",
  ),
  headers: { "retry-after": "5", connection: "close" },
};

/**
 * Receives the webhooks of Datadog and Alertmanager, changes circuits, and streams the changes to clients.
 * @throws SpendfuseError `SPENDFUSE_CONFIG` when it would listen beyond loopback without secrets, or the port is taken.
 */
export async function startBreaker(options: BreakerOptions): Promise<Breaker> {
  const { store, host = "127.0.0.1", port = DEFAULT_PORT, webhookSecrets = [], basic, operatorToken } = options;
  const { ttlMs = TTL_MS, bodyMs = BODY_MS, clock = Date.now, tags = NO_TAGS, caps, say = () => {} } = options;
  const open = isLoopback(host);
  if (!open && ((webhookSecrets.length === 0 && basic === undefined) || operatorToken === undefined)) {
    const message = `the breaker listens on ${host}, where others can reach it: set SPENDFUSE_WEBHOOK_SECRET and SPENDFUSE_OPERATOR_TOKEN, or listen on 127.0.0.1`;
    throw new SpendfuseError("SPENDFUSE_CONFIG", message, { host });
  }
  const authorization = createAuthorization({ webhookSecrets, basic, operatorToken, loopback: open, host, clock });
  const operations = createOperations(store, ttlMs, clock, tags, caps);
  const events = createEvents(clock);
  const unsubscribe = store.subscribe((change) => {
    if (change.type === "circuit") events.tell(change.circuit);
    // Changes may have been missed: drop clients; they reconnect for a full snapshot, or a 503 until the store is back.
    else if (change.type !== "recall") events.hangUp();
  });

  const operator =
    (route: Route): Route =>
    async (exchange) =>
      authorization.toOperator(exchange.request) ?? route(exchange);

  const reader =
    (route: Route): Route =>
    async (exchange) =>
      authorization.toReader(exchange.request) ?? route(exchange);

  /** A change by an operator: the order is the body, the operator's name may be a header. */
  function order(apply: (order: unknown, name?: string) => Promise<Answer>): Route {
    return operator(async ({ request }) => {
      const read = await readJson(request, bodyMs);
      const name = request.headers["x-spendfuse-operator"];
      return "status" in read ? read : apply(read.json, typeof name === "string" ? name : undefined);
    });
  }

  function change(verb: "trip" | "reset"): Route {
    return order((sent, name) => operations.change(verb, sent, name));
  }

  function changeBudget(verb: BudgetVerb): Route {
    return order((sent, name) => operations.changeBudget(verb, sent, name));
  }

  /** Needs no operator's token: agents ask, and nothing changes by it. */
  const askRoute = reader(async ({ request }) => {
    const read = await readJson(request, bodyMs);
    return "status" in read ? read : operations.answerRequest("request", read.json);
  });

  async function stream({ response }: Exchange): Promise<Answer | undefined> {
    return (await events.add(response, () => store.circuits())) ? undefined : TOO_MANY_LISTENERS;
  }

  const webhook = { store, authorization, ttlMs, bodyMs, clock, tags, say };
  const routes: Routes = {
    "/webhooks/datadog": { POST: createDatadogWebhookRoute(webhook) },
    "/webhooks/alertmanager": { POST: createAlertmanagerRoute(webhook) },
    "/circuits": {
      GET: reader(async ({ query }) => operations.circuits(isSet(query, "all"))),
    },
    "/circuits/trip": { POST: change("trip") },
    "/circuits/reset": { POST: change("reset") },
    "/audit": { GET: operator(async ({ query }) => operations.audit(Number(query.get("limit")))) },
    "/budgets": { GET: operator(async ({ query }) => operations.counts(Number(query.get("limit")))) },
    "/budgets/raise": { POST: changeBudget("raise") },
    "/budgets/lower": { POST: changeBudget("lower") },
    "/budgets/reset": { POST: changeBudget("reset") },
    "/budgets/requests": { GET: operator(async ({ query }) => operations.requests(isSet(query, "all"))) },
    "/budgets/request": { POST: askRoute },
    "/budgets/approve": { POST: order((sent, name) => operations.answerRequest("approve", sent, name)) },
    "/budgets/deny": { POST: order((sent, name) => operations.answerRequest("deny", sent, name)) },
    "/budgets/reload": { POST: order((sent, name) => reloadAll(store, options.reload, sent, name)) },
    "/events": { GET: reader(stream) },
    "/healthz": { GET: createHealthRoute(store) },
    "/readyz": { GET: createReadyRoute(store, clock) },
  };

  async function route(exchange: Exchange): Promise<Answer | undefined> {
    const match = findRoute(routes, exchange);
    if (match.type === "unknown_path")
      return fault(404, "not_found", `there is only ${Object.keys(routes).join(", ")}`);
    if (match.type === "route") return match.route(exchange);
    const allow = match.allow.join(", ");
    return { ...fault(405, "bad_method", `use ${allow}`), headers: { allow } };
  }

  // 5xx, so that Datadog sends it again.
  const failed = (error: unknown): Answer =>
    fault(503, "store_away", error instanceof Error ? error.message : String(error));

  function stop(): void {
    unsubscribe();
    events.close();
  }

  const { connectionsPerAddress } = options;
  const server = await serveHttp({ name: "the breaker", host, port, connectionsPerAddress, route, failed }).catch(
    (error: unknown) => {
      stop();
      throw error;
    },
  );
  return {
    ...server,
    close() {
      stop();
      return server.close();
    },
  };
}
