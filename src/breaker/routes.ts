import type { Answer, Exchange, Route, Routes } from "../http/exchange.ts";
import type { Store } from "../stores/store.ts";
import { createAlertmanagerRoute } from "./alertmanager/route.ts";
import { fault, readJson } from "./answer.ts";
import type { Authorization } from "./auth.ts";
import type { BudgetVerb } from "./budgets/changes.ts";
import { reloadAll } from "./budgets/reload.ts";
import { createDatadogWebhookRoute } from "./datadog-webhook-route.ts";
import type { Events } from "./events.ts";
import type { Operations } from "./operations.ts";
import type { BreakerMetrics } from "./probes/metrics.ts";
import { createHealthRoute, createReadyRoute } from "./probes/routes.ts";

/** What the routes of the breaker are made of. */
export interface RouteParts {
  readonly options: { readonly reload?: () => string };
  readonly store: Store;
  readonly authorization: Authorization;
  readonly operations: Operations;
  readonly events: Events;
  readonly metrics: BreakerMetrics;
  readonly ttlMs: number;
  readonly bodyMs: number;
  readonly clock: () => number;
  readonly tags: readonly string[];
  readonly say: (message: string) => void;
}

const TOO_MANY_LISTENERS: Answer = {
  ...fault(
    429,
    "too_many_listeners",
    "too many follow the events, from this address or in all: one a process is enough",
  ),
  headers: { "retry-after": "5", connection: "close" },
};

function isSet(query: URLSearchParams, name: string): boolean {
  return query.has(name) && query.get(name) !== "0";
}

export function createRoutes(parts: RouteParts): Routes {
  const { options, store, authorization, operations, events, metrics, bodyMs, clock } = parts;
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

  return {
    "/webhooks/datadog": { POST: createDatadogWebhookRoute(parts) },
    "/webhooks/alertmanager": { POST: createAlertmanagerRoute(parts) },
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
    "/metrics": { GET: reader(metrics.route(store, clock, events.count)) },
    "/readyz": { GET: createReadyRoute(store, clock) },
  };
}
