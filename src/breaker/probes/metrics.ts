import type { Answer, Route } from "../../http/exchange.ts";
import { type Circuit, circuitAt } from "../../limits/circuit.ts";
import type { Store } from "../../stores/store.ts";
import type { AnsweredRequest } from "./requests.ts";
import type { Operation } from "./watched-store.ts";

/** What the breaker counts of itself since it started. */
export interface BreakerMetrics {
  /** A circuit was changed, by whomever. */
  changed(circuit: Circuit): void;
  answered(request: AnsweredRequest): void;
  stored(operation: Operation, ms: number, failed: boolean): void;
  /** @param listeners How many follow the events now. */
  route(store: Store, clock: () => number, listeners: () => number): Route;
}

/** Name, type, and what it says. Their labels are bounded. */
const METRICS = {
  spendfuse_breaker_circuits: ["gauge", "circuits that are not closed, by state"],
  spendfuse_breaker_trips_total: [
    "counter",
    "circuits that were opened, or open ones that were tripped again, by source",
  ],
  spendfuse_breaker_webhooks_total: ["counter", "webhooks, by sender, taken or refused"],
  spendfuse_breaker_listeners: ["gauge", "clients that follow the events"],
  spendfuse_breaker_requests_total: ["counter", "requests, by path, method and status"],
  spendfuse_breaker_store_up: ["gauge", "1 where the store could be read just now"],
  spendfuse_breaker_store_seconds: ["summary", "how long operations on the store took"],
  spendfuse_breaker_store_errors_total: ["counter", "operations on the store that failed"],
} as const;
type Metric = keyof typeof METRICS;

interface Taken {
  count: number;
  ms: number;
  errors: number;
}

interface Counts {
  /** By source. */
  readonly trips: Map<string, number>;
  /** By their labels, as they are written. */
  readonly webhooks: Map<string, number>;
  readonly requests: Map<string, number>;
  readonly operations: Map<Operation, Taken>;
}

export function createBreakerMetrics(): BreakerMetrics {
  const counts: Counts = { trips: new Map(), webhooks: new Map(), requests: new Map(), operations: new Map() };
  return {
    changed: (circuit) => {
      if (circuit.state === "open") add(counts.trips, labels({ source: circuit.source }));
    },
    answered: (request) => countAnswer(counts, request),
    stored: (operation, ms, failed) => countOperation(counts, operation, ms, failed),
    route: (store, clock, listeners) => () => scrape(counts, store, clock, listeners()),
  };
}

function countAnswer({ requests, webhooks }: Counts, { method, path, status }: AnsweredRequest): void {
  add(requests, labels({ path, method, status: String(status ?? "none") }));
  const [, from] = /^\/webhooks\/(\w+)$/.exec(path) ?? [];
  if (from === undefined) return;
  add(webhooks, labels({ from, outcome: status !== undefined && status < 300 ? "taken" : "refused" }));
}

function countOperation({ operations }: Counts, operation: Operation, ms: number, failed: boolean): void {
  const taken = operations.get(operation) ?? { count: 0, ms: 0, errors: 0 };
  operations.set(operation, {
    count: taken.count + 1,
    ms: taken.ms + ms,
    errors: taken.errors + (failed ? 1 : 0),
  });
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Our own words and HTTP's alone, which need no escape. */
function labels(pairs: Readonly<Record<string, string>>): string {
  const text = Object.entries(pairs).map(([name, value]) => `${name}="${value}"`);
  return `{${text.join(",")}}`;
}

/** In Prometheus' text format. Answers while the store is away, too: that is when it is looked at. */
async function scrape(counts: Counts, store: Store, clock: () => number, listeners: number): Promise<Answer> {
  const circuits = await readCircuits(store);
  const operations = [...counts.operations].sort(([a], [b]) => a.localeCompare(b));
  const rows: Readonly<Record<Metric, readonly string[]>> = {
    spendfuse_breaker_circuits: circuits === undefined ? [] : circuitRows(circuits, clock()),
    spendfuse_breaker_trips_total: rowsOf(counts.trips),
    spendfuse_breaker_webhooks_total: rowsOf(counts.webhooks),
    spendfuse_breaker_listeners: [` ${listeners}`],
    spendfuse_breaker_requests_total: rowsOf(counts.requests),
    spendfuse_breaker_store_up: [` ${circuits === undefined ? 0 : 1}`],
    spendfuse_breaker_store_seconds: operations.flatMap(([operation, { count, ms }]) => [
      `_sum${labels({ operation })} ${ms / 1_000}`,
      `_count${labels({ operation })} ${count}`,
    ]),
    spendfuse_breaker_store_errors_total: operations.map(
      ([operation, { errors }]) => `${labels({ operation })} ${errors}`,
    ),
  };
  const body = Object.entries(METRICS).map(([name, [type, help]]) => {
    const head = [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
    return [...head, ...rows[name as Metric].map((row) => name + row)].join("\n");
  });
  return {
    status: 200,
    body: `${body.join("\n")}\n`,
    headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
  };
}

/** Undefined where they cannot be read. */
async function readCircuits(store: Store): Promise<readonly Circuit[] | undefined> {
  try {
    return await store.circuits();
  } catch {
    return undefined;
  }
}

function circuitRows(circuits: readonly Circuit[], now: number): readonly string[] {
  const states = circuits.map((circuit) => circuitAt(circuit, now).state);
  return (["open", "probing"] as const).map(
    (state) => `${labels({ state })} ${states.filter((one) => one === state).length}`,
  );
}

function rowsOf(counts: ReadonlyMap<string, number>): readonly string[] {
  return [...counts].sort(([a], [b]) => a.localeCompare(b)).map(([key, count]) => `${key} ${count}`);
}
