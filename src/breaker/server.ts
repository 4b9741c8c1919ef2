import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Circuit, circuitAt, closedCircuit, nextCircuit } from "../core/circuit.ts";
import { readDuration } from "../core/period.ts";
import { SpendfuseError } from "../errors.ts";
import { changeCircuit, type Store } from "../stores/store.ts";
import { basicOf, bearerOf, createLimiter, createSecretCheck, isLoopback } from "./access.ts";
import { type Answer, fault, readJson, send } from "./answer.ts";
import { createEvents } from "./events.ts";
import { readScope, readWebhook } from "./webhook.ts";

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

interface Visit {
  readonly request: IncomingMessage;
  readonly query: URLSearchParams;
}

type Route = (visit: Visit) => Promise<Answer>;

export const DEFAULT_PORT = 4319;
const TTL_MS = 15 * 60_000;
const MAX_TTL_MS = 31 * 86_400_000;
const BODY_MS = 5_000;
const SAY_EVERY_MS = 60_000;

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
  const isSecret = createSecretCheck(webhookSecrets);
  const isBasic = createSecretCheck(basic === undefined ? [] : [basic]);
  const isToken = createSecretCheck(operatorToken === undefined ? [] : [operatorToken]);
  const guarded = webhookSecrets.length > 0 || basic !== undefined;
  // Who shows the secret is never kept waiting by those who do not.
  const known = createLimiter(200, 1_000);
  const strangers = createLimiter(20, 100);
  const events = createEvents(clock);
  const unsubscribe = store.subscribe((change) => change.type === "circuit" && events.tell(change.circuit));
  let saidAt = Number.NEGATIVE_INFINITY;
  let refusals = 0;

  /** Refused webhooks are said aloud, at most once a minute: a silent breaker is taken for a healthy one. */
  function refused(answer: Answer, why: string): Answer {
    refusals += 1;
    const now = clock();
    if (now - saidAt >= SAY_EVERY_MS) {
      saidAt = now;
      say(`a webhook was refused (${answer.status}): ${why}; ${refusals} so far`);
    }
    return answer;
  }

  function mayPost({ headers, socket }: IncomingMessage): Answer | undefined {
    const who = socket.remoteAddress ?? "";
    const { authorization, "x-spendfuse-secret": secret } = headers;
    const right =
      !guarded || isSecret(typeof secret === "string" ? secret : undefined) || isBasic(basicOf(authorization));
    if (!(right ? known : strangers).take(who, clock())) {
      return { ...fault(429, "rate_limited", "too many requests"), headers: { "retry-after": "1" } };
    }
    return right ? undefined : fault(401, "unauthorized", "x-spendfuse-secret is missing or wrong");
  }

  function isOperator({ headers }: IncomingMessage): boolean {
    return operatorToken === undefined ? open : isToken(bearerOf(headers.authorization));
  }

  async function receiveWebhook({ request, query }: Visit): Promise<Answer> {
    const stop = mayPost(request);
    if (stop) return refused(stop, "no valid secret, or too many");
    const read = await readJson(request, bodyMs);
    if ("status" in read) return refused(read, "its body");
    const now = clock();
    const reading = readWebhook(read.json, now, ttlMs);
    if (reading.type === "fault") return refused(fault(400, "bad_webhook", reading.why), reading.why);
    if (reading.type === "ignore") return { status: 200, body: { applied: false, why: reading.why } };
    const { scope, event, leftOut } = reading;
    const dry = query.has("dry_run") && query.get("dry_run") !== "0";
    const { circuit, changed, why } = dry
      ? nextCircuit((await store.circuit(scope)) ?? closedCircuit(scope), event, now)
      : await changeCircuit(store, scope, event, now);
    const rest = leftOut.length > 0 ? { leftOut } : {};
    return {
      status: 200,
      body: { applied: changed && !dry, ...(dry && { dryRun: true }), scope, why, ...stateOf(circuit), ...rest },
    };
  }

  async function list({ query }: Visit): Promise<Answer> {
    const now = clock();
    const rank = { open: 0, probing: 1, closed: 2 };
    const circuits = (await store.circuits())
      .map((circuit) => circuitAt(circuit, now))
      .filter(({ state }) => state !== "closed" || query.has("all"))
      .sort((a, b) => rank[a.state] - rank[b.state] || b.since - a.since);
    return { status: 200, body: { circuits: circuits.map(({ alerts, ...shown }) => shown) } };
  }

  function operate(change: "trip" | "reset"): Route {
    return async ({ request }) => {
      const read = await readJson(request, bodyMs);
      if ("status" in read) return read;
      const json = (typeof read.json === "object" && read.json !== null ? read.json : {}) as Record<string, unknown>;
      const scope = readScope(json.scope);
      if (scope === undefined) {
        return fault(
          400,
          "bad_scope",
          '"scope" must be such as "agent:researcher", of agent, root_agent, team, project, key; or "all"',
        );
      }
      const ttl = json.ttl === undefined ? ttlMs : typeof json.ttl === "number" ? json.ttl : readDuration(json.ttl);
      if (ttl === undefined || !(ttl > 0 && ttl <= MAX_TTL_MS)) {
        return fault(400, "bad_ttl", '"ttl" must be a time such as "15m", up to 31 days');
      }
      const by = String(json.by ?? request.headers["x-spendfuse-operator"] ?? "operator").slice(0, 200);
      const reason = String(json.reason ?? `${change} by ${by}`).slice(0, 500);
      const event =
        change === "trip"
          ? ({ type: "trip", source: "operator", reason, by, ttlMs: ttl } as const)
          : ({ type: "reset", by, reason } as const);
      const { circuit, changed, why } = await changeCircuit(store, scope, event, clock());
      return { status: 200, body: { applied: changed, scope, why, ...stateOf(circuit) } };
    };
  }

  async function log({ query }: Visit): Promise<Answer> {
    const limit = Math.min(Math.max(Number(query.get("limit") ?? 50) || 50, 1), 1_000);
    return { status: 200, body: { entries: await store.audit(limit) } };
  }

  async function budgets({ query }: Visit): Promise<Answer> {
    const limit = Math.min(Math.max(Number(query.get("limit") ?? 50) || 50, 1), 1_000);
    return { status: 200, body: { counts: await store.counts(limit) } };
  }

  async function health(): Promise<Answer> {
    await store.circuit("all");
    return { status: 200, body: { ok: true } };
  }

  const operator =
    (route: Route): Route =>
    async (visit) =>
      isOperator(visit.request)
        ? route(visit)
        : fault(401, "unauthorized", "send authorization: Bearer TOKEN, the operator token");

  const routes: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
    "/webhooks/datadog": { POST: receiveWebhook },
    "/circuits": { GET: list },
    "/circuits/trip": { POST: operator(operate("trip")) },
    "/circuits/reset": { POST: operator(operate("reset")) },
    "/audit": { GET: operator(log) },
    "/budgets": { GET: operator(budgets) },
    "/healthz": { GET: health },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(request.url ?? "/", "http://breaker");
    const path = url?.pathname ?? "";
    if (path === "/events" && request.method === "GET") {
      events.add(response, await store.circuits());
      return;
    }
    const methods = Object.hasOwn(routes, path) ? routes[path] : undefined;
    const route = methods && Object.hasOwn(methods, request.method ?? "") ? methods[request.method ?? ""] : undefined;
    if (methods === undefined) return send(response, fault(404, "not_found", "there is nothing here"));
    if (route === undefined) {
      const allow = Object.keys(methods).join(", ");
      return send(response, { ...fault(405, "bad_method", `use ${allow}`), headers: { allow } });
    }
    send(response, await route({ request, query: url?.searchParams ?? new URLSearchParams() }));
  }

  const server = createServer(
    { requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout: 30_000 },
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

function stateOf(circuit: Circuit): object {
  return circuit.state === "closed"
    ? { state: "closed" }
    : { state: circuit.state, until: circuit.until, source: circuit.source };
}
