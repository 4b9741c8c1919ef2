import { randomUUID } from "node:crypto";
import { object } from "../../core/json.ts";
import { periodName, spanAt } from "../../core/period.ts";
import type { Answer } from "../../http/exchange.ts";
import { type Budget, UNIT_SCALES } from "../../limits/budget.ts";
import { type AuditEntry, MAX_AUDIT, type Store } from "../../stores/store.ts";
import { fault } from "../answer.ts";
import { line } from "../line.ts";
import type { BudgetOperations } from "./changes.ts";
import { findTarget, type Target, targetsIn } from "./targets.ts";

/** `expired`: nobody answered before its end. Only an approval changes a cap. */
export type RequestState = "pending" | "approved" | "denied" | "expired";

/** A higher cap that is asked for. Amounts are in USD, tokens, calls or seconds. */
export interface BudgetRequest {
  readonly id: string;
  readonly state: RequestState;
  readonly budget: string;
  readonly scope: string;
  /** The run, for a budget per run. */
  readonly run?: string;
  readonly unit: Budget["unit"];
  readonly amount: number;
  readonly by: string;
  readonly reason: string;
  /** When it was asked, and when it ends unanswered, in milliseconds since the epoch. */
  readonly at: number;
  readonly until: number;
  /** Who answered, and why. */
  readonly answeredBy?: string;
  readonly answer?: string;
}

/** Requests are kept in the store's log: what is asked, and how it was answered, are entries of it. */
export interface RequestOperations {
  /** The newest first; those that are answered or over only with `all`. */
  requests(all: boolean): Promise<readonly BudgetRequest[]>;
  /**
   * Asks for a raise; nothing changes. `order`, as it was sent: `{ budget, scope?, run?, amount, reason, by? }`. One that
   * is asked again while it is pending is the same request.
   */
  request(order: unknown, name?: string): Promise<Answer>;
  /** `order`: `{ id, amount?, reason?, by? }`. Raises the cap by `amount`, or by what was asked. */
  approve(order: unknown, operator?: string): Promise<Answer>;
  /** `order`: `{ id, reason, by? }`. */
  deny(order: unknown, operator?: string): Promise<Answer>;
}

const MAX_COUNTS = 100_000;
const MAX_PENDING = 100;
/** How long a request for a run is pending. */
const RUN_MS = 86_400_000;
const ID_LENGTH = 8;

export function createRequestOperations(
  store: Store,
  caps: () => readonly Budget[],
  budgets: BudgetOperations,
  clock: () => number = Date.now,
): RequestOperations {
  async function answerable(sent: unknown): Promise<{ order: Record<string, unknown>; found: BudgetRequest } | Answer> {
    const order = object(sent) ?? {};
    const found = requestsIn(await store.audit(MAX_AUDIT), clock()).find(({ id }) => id === order.id);
    if (found === undefined)
      return fault(404, "unknown_request", '"id" must be that of a request: see budget requests');
    if (found.state === "pending") return { order, found };
    const by = found.answeredBy === undefined ? "" : ` by ${found.answeredBy}`;
    return fault(409, "not_pending", `the request is ${found.state}${by}`);
  }

  return {
    requests: async (all) =>
      requestsIn(await store.audit(MAX_AUDIT), clock()).filter(({ state }) => all || state === "pending"),
    async request(sent, name) {
      const order = object(sent) ?? {};
      const now = clock();
      const target = findTarget(caps(), targetsIn(caps(), await store.counts(MAX_COUNTS), now), order);
      if ("status" in target) return target;
      const reason = line(order.reason, 500);
      const by = line(order.by, 200) ?? line(name, 200);
      if (reason === undefined) return fault(400, "no_reason", '"reason" is missing: what is it for?');
      if (by === undefined) return fault(400, "no_name", '"by" is missing: who asks for it?');
      const amount = amountOf(target.budget, order.amount);
      if (amount === undefined)
        return fault(400, "bad_amount", `"amount" must be a number above 0, in ${target.budget.unit}`);
      const pending = requestsIn(await store.audit(MAX_AUDIT), now).filter(({ state }) => state === "pending");
      const same = pending.find((one) => isOf(one, target));
      if (same !== undefined) return { status: 200, body: { applied: false, request: same } };
      if (pending.length >= MAX_PENDING) return fault(429, "too_many_requests", "too many requests wait for an answer");
      const entry = entryOf(target, { amount, by, reason, at: now });
      await store.addAudit(entry);
      return { status: 200, body: { applied: true, request: requestsIn([entry], now)[0] } };
    },
    async approve(sent, operator) {
      const asked = await answerable(sent);
      if ("status" in asked) return asked;
      const { order, found } = asked;
      const { budget, scope, run, id, by: asker, amount } = found;
      const reason = `${line(order.reason, 300) ?? "approved"} (asked by ${asker}: ${found.reason})`;
      const raise = { budget, scope, run, reason, by: order.by, amount: order.amount ?? amount, id };
      const answer = await budgets.change("raise", raise, operator, id);
      return answer;
    },
    async deny(sent, operator) {
      const asked = await answerable(sent);
      if ("status" in asked) return asked;
      const { order, found } = asked;
      const why = line(order.reason, 500);
      const by = line(order.by, 200) ?? line(operator, 200);
      if (why === undefined) return fault(400, "no_reason", '"reason" is missing: why is it denied?');
      if (by === undefined) return fault(400, "no_name", '"by" is missing: who denies it?');
      const { budget, scope, id } = found;
      await store.addAudit({ at: clock(), scope, what: "deny", by, why, state: "none", budget, request: id });
      return {
        status: 200,
        body: { applied: true, request: { ...found, state: "denied", answeredBy: by, answer: why } },
      };
    },
  };
}

/** The requests of a log, the newest first. The first answer counts. */
export function requestsIn(newestFirst: readonly AuditEntry[], now: number): readonly BudgetRequest[] {
  const answers = new Map<string, AuditEntry>();
  for (const entry of newestFirst)
    if (entry.request !== undefined && entry.what !== "request") answers.set(entry.request, entry);
  return newestFirst.flatMap((entry) => {
    const {
      what,
      request: id,
      budget,
      unit = "usd",
      before = 0,
      after = 0,
      until = 0,
      scope,
      run,
      by,
      why,
      at,
    } = entry;
    if (what !== "request" || id === undefined || budget === undefined) return [];
    const answer = answers.get(id);
    return {
      ...{ id, state: stateOf(answer, until, now), budget, scope, unit, by, reason: why, at, until },
      ...(run !== undefined && { run }),
      amount: Math.round((after - before) * UNIT_SCALES[unit]) / UNIT_SCALES[unit],
      ...(answer !== undefined && { answeredBy: answer.by, answer: answer.why }),
    };
  });
}

function stateOf(answer: AuditEntry | undefined, until: number, now: number): RequestState {
  if (answer !== undefined) return answer.what === "deny" ? "denied" : "approved";
  return until <= now ? "expired" : "pending";
}

function isOf({ budget, scope, run }: BudgetRequest, target: Target): boolean {
  return budget === target.budget.name && scope === target.scope && (run ?? "") === target.run;
}

/** What is asked for, in the integers of the budget. */
function amountOf({ unit }: Budget, given: unknown): number | undefined {
  const amount = typeof given === "number" ? Math.round(given * UNIT_SCALES[unit]) : 0;
  return Number.isSafeInteger(amount) && amount > 0 ? amount : undefined;
}

interface Asked {
  readonly amount: number;
  readonly by: string;
  readonly reason: string;
  readonly at: number;
}

function entryOf({ budget, scope, run, raised }: Target, { amount, by, reason, at }: Asked): AuditEntry {
  const { end } = spanAt(budget.per, at, run);
  const scale = UNIT_SCALES[budget.unit];
  const cap = Math.max(0, budget.cap + raised);
  return {
    ...{ at, scope, what: "request", by, why: reason, state: "none" as const },
    until: budget.per.kind === "moving" ? at + budget.per.ms : (end ?? at + RUN_MS),
    budget: budget.name,
    unit: budget.unit,
    before: cap / scale,
    after: (cap + amount) / scale,
    request: randomUUID().slice(0, ID_LENGTH),
    ...(periodName(budget.per) === "run" && { run }),
  };
}
