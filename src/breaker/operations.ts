import { readDuration } from "../core/period.ts";
import { NO_TAGS } from "../core/tags/tags.ts";
import type { Answer } from "../http/exchange.ts";
import type { Budget } from "../limits/budget.ts";
import { type Circuit, type CircuitEvent, circuitAt } from "../limits/circuit.ts";
import { changeCircuit, type Store } from "../stores/store.ts";
import { fault } from "./answer.ts";
import { type BudgetRow, type BudgetVerb, createBudgetOperations } from "./budgets/changes.ts";
import { createRequestOperations } from "./budgets/requests.ts";
import { resetIncident } from "./incident.ts";
import { line } from "./line.ts";
import { readScope } from "./webhook.ts";

/** What operators can do, over HTTP or directly on a store. */
export interface Operations {
  /** `{ circuits }`: open ones first. With `all`, closed ones too. */
  circuits(all: boolean): Promise<Answer>;
  /**
   * `order` is `{ scope, ttl?, reason?, by?, only? }`, as it was sent. A reset closes the circuits of one incident, those of
   * an agent and of the root agent of that name, unless `only` is true.
   */
  change(verb: "trip" | "reset", order: unknown, operator?: string): Promise<Answer>;
  /** `{ entries }`, the newest first. */
  audit(limit: number): Promise<Answer>;
  /** `{ counts, budgets }`: what the store counts, the largest first, and how the configured budgets stand. */
  counts(limit: number): Promise<Answer>;
  /** `order`: see `BudgetOperations`. */
  changeBudget(verb: BudgetVerb, order: unknown, operator?: string): Promise<Answer>;
  /** `{ requests }`: raises that are asked for, the newest first. With `all`, those that are answered or over too. */
  requests(all: boolean): Promise<Answer>;
  /** `order`: see `RequestOperations`. */
  answerRequest(verb: RequestVerb, order: unknown, name?: string): Promise<Answer>;
}

export type RequestVerb = "request" | "approve" | "deny";

export const TTL_MS = 15 * 60_000;
const MAX_TTL_MS = 31 * 86_400_000;
const MAX_ROWS = 1_000;
const RANK = { open: 0, probing: 1, closed: 2 };
const SCOPES = "agent, root_agent, team, project, key";

/**
 * @param tags The tags that the configuration declares.
 * @param caps Its budgets: others can neither be shown with their caps nor be changed.
 */
export function createOperations(
  store: Store,
  ttlMs: number = TTL_MS,
  clock: () => number = Date.now,
  tags: readonly string[] = NO_TAGS,
  caps: () => readonly Budget[] = () => [],
): Operations {
  const budgets = createBudgetOperations(store, caps, clock);
  const requests = createRequestOperations(store, caps, budgets, clock);
  const badScope = `"scope" must be such as "agent:researcher", of ${[SCOPES, ...tags].join(", ")}; or "all"`;
  return {
    async circuits(all) {
      const now = clock();
      const circuits = (await store.circuits())
        .map((circuit) => circuitAt(circuit, now))
        .filter(({ state }) => all || state !== "closed")
        .sort((a, b) => RANK[a.state] - RANK[b.state] || b.since - a.since);
      return { status: 200, body: { circuits: circuits.map(({ alerts, ...shown }) => shown) } };
    },
    async change(verb, sent, operator) {
      const order = (typeof sent === "object" && sent !== null ? sent : {}) as Record<string, unknown>;
      const scope = readScope(order.scope, tags);
      if (scope === undefined) return fault(400, "bad_scope", badScope);
      const { ttl } = order;
      const forMs = ttl === undefined ? ttlMs : typeof ttl === "number" ? ttl : readDuration(ttl);
      if (forMs === undefined || !(forMs >= 1 && forMs <= MAX_TTL_MS))
        return fault(400, "bad_ttl", '"ttl" must be a time such as "15m", up to 31 days');
      const by = line(order.by, 200) ?? line(operator, 200) ?? "operator";
      const reason = line(order.reason, 500) ?? `${verb} by ${by}`;
      const event: CircuitEvent =
        verb === "trip"
          ? { type: "trip", source: "operator", reason, by, ttlMs: Math.round(forMs) }
          : { type: "reset", by, reason };
      const rest = event.type === "reset" ? await resetIncident(store, scope, event, clock(), order.only === true) : {};
      const { circuit, changed, why } = await changeCircuit(store, scope, event, clock());
      return { status: 200, body: { applied: changed, scope, why, ...stateOf(circuit), ...rest } };
    },
    audit: async (limit) => ({ status: 200, body: { entries: await store.audit(rows(limit)) } }),
    async counts(limit) {
      const [counts, all] = await Promise.all([store.counts(rows(limit)), budgets.rows()]);
      const shown: readonly BudgetRow[] = all.slice(0, rows(limit));
      return { status: 200, body: { counts, budgets: shown } };
    },
    changeBudget: (verb, order, operator) => budgets.change(verb, order, operator),
    requests: async (all) => ({ status: 200, body: { requests: await requests.requests(all) } }),
    answerRequest: (verb, order, name) => requests[verb](order, name),
  };
}

/** A circuit as responses show it. */
export function stateOf(circuit: Circuit): object {
  return circuit.state === "closed"
    ? { state: "closed" }
    : { state: circuit.state, until: circuit.until, source: circuit.source };
}

function rows(limit: number): number {
  return Math.min(Math.max(Math.trunc(limit) || 50, 1), MAX_ROWS);
}
