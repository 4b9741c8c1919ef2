import { SpendfuseError } from "../core/errors.ts";
import { NO_TAGS } from "../core/tags/tags.ts";
import { type Answer, type Exchange, findRoute } from "../http/exchange.ts";
import { isLoopback } from "../http/own-host.ts";
import { type HttpServer, serveHttp } from "../http/server.ts";
import type { Budget } from "../limits/budget.ts";
import type { Store } from "../stores/store.ts";
import { fault } from "./answer.ts";
import { createAuthorization } from "./auth.ts";
import { createEvents } from "./events.ts";
import { createOperations, TTL_MS } from "./operations.ts";
import { createBreakerMetrics } from "./probes/metrics.ts";
import { type AnsweredRequest, requestLine, watchExchange } from "./probes/requests.ts";
import { watchStore } from "./probes/watched-store.ts";
import { createRoutes } from "./routes.ts";

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
  /** Is given a JSON line for each request, without its query, headers and body. Default: none is written. */
  readonly logRequest?: (line: string) => void;
}

/** Its `close` leaves the store open. */
export type Breaker = HttpServer;

export const DEFAULT_PORT = 4319;
const BODY_MS = 5_000;

/**
 * Receives the webhooks of Datadog and Alertmanager, changes circuits, and streams the changes to clients.
 * @throws SpendfuseError `SPENDFUSE_CONFIG` when it would listen beyond loopback without secrets, or the port is taken.
 */
export async function startBreaker(options: BreakerOptions): Promise<Breaker> {
  const { host = "127.0.0.1", port = DEFAULT_PORT, webhookSecrets = [], basic, operatorToken } = options;
  const { ttlMs = TTL_MS, bodyMs = BODY_MS, clock = Date.now, tags = NO_TAGS, caps, say = () => {} } = options;
  const open = isLoopback(host);
  if (!open && ((webhookSecrets.length === 0 && basic === undefined) || operatorToken === undefined)) {
    const message = `the breaker listens on ${host}, where others can reach it: set SPENDFUSE_WEBHOOK_SECRET and SPENDFUSE_OPERATOR_TOKEN, or listen on 127.0.0.1`;
    throw new SpendfuseError("SPENDFUSE_CONFIG", message, { host });
  }
  const authorization = createAuthorization({ webhookSecrets, basic, operatorToken, loopback: open, host, clock });
  const metrics = createBreakerMetrics();
  const store = watchStore(options.store, metrics.stored);
  const operations = createOperations(store, ttlMs, clock, tags, caps);
  const events = createEvents(clock);
  const unsubscribe = store.subscribe((change) => {
    if (change.type === "circuit") {
      metrics.changed(change.circuit);
      events.tell(change.circuit);
    }
    // Changes may have been missed: drop clients; they reconnect for a full snapshot, or a 503 until the store is back.
    else if (change.type !== "recall") events.hangUp();
  });

  const parts = { options, store, authorization, operations, events, metrics, ttlMs, bodyMs, clock, tags, say };
  const routes = createRoutes(parts);

  function answered(request: AnsweredRequest): void {
    metrics.answered(request);
    options.logRequest?.(requestLine(request, clock()));
  }

  async function route(exchange: Exchange): Promise<Answer | undefined> {
    watchExchange(exchange, (path) => Object.hasOwn(routes, path), answered);
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
