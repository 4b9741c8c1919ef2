import { clearTimeout, setTimeout } from "node:timers";
import type { BudgetRequest } from "../breaker/budgets/requests.ts";
import type { Operations } from "../breaker/operations.ts";
import { SpendfuseError } from "../core/errors.ts";
import type { Remaining } from "../guard/budgets/remaining.ts";
import { type Budget, scopesOf } from "../limits/budget.ts";
import { currentNode } from "../meter/identity/identify.ts";
import { lookAround } from "../meter/tracing/otel-global.ts";
import { type ChargeInput, readCharge } from "../pricing/charge.ts";
import { openForCalls, type ProcessState } from "./process-state.ts";

/** What is left of the budgets that apply to the scope that we are called in. Never rejects. */
export async function remainingHere(state: ProcessState): Promise<readonly Remaining[]> {
  const { identifier, contexts, faults } = state;
  const node = faults.guard("identity", () => currentNode(identifier)) ?? contexts.capture().node;
  openForCalls(state);
  return (await state.parts?.enforcement?.remaining(node)) ?? [];
}

/** A raise that an agent asks an operator for. */
export interface BudgetOrder {
  /** The budget's name. */
  readonly budget: string;
  /** USD, tokens, calls or seconds, as the budget counts. */
  readonly amount: number;
  readonly reason: string;
  /** Which of the budget's scopes; without it, that of the caller. */
  readonly scope?: string;
}

/** How long to wait for the answer. */
export interface WaitOptions {
  /** Milliseconds; 0 without it. */
  readonly waitMs?: number;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
}

const ASK_EVERY_MS = 1_000;

/**
 * Asks an operator for a raise in the scope that we are called in; nothing changes until one approves it.
 * @throws SpendfuseError `SPENDFUSE_USAGE` for an order that is refused, `SPENDFUSE_CONFIG` where no operator could see it.
 */
export async function requestHere(
  state: ProcessState,
  order: BudgetOrder,
  { waitMs = 0, signal }: WaitOptions = {},
): Promise<BudgetRequest> {
  const { identifier, contexts, faults, configuration } = state;
  const node = faults.guard("identity", () => currentNode(identifier)) ?? contexts.capture().node;
  openForCalls(state);
  const { caps, tags } = configuration.get();
  const operations = await openRequests(state, caps, tags);
  const named = caps.find(({ name, id }) => name === order.budget || id === order.budget);
  const scope = order.scope ?? (named && scopesOf(named, node).at(-1));
  const sent = { ...order, scope, run: node.scope.run, by: `agent ${node.scope.agent}` };
  const { status, body } = await operations.answerRequest("request", sent);
  const { request: asked, error } = body as { readonly request?: BudgetRequest; readonly error?: { message: string } };
  if (asked === undefined)
    throw new SpendfuseError(
      "SPENDFUSE_USAGE",
      error?.message ?? `the request was refused (${status}): check the name of the budget`,
      { status },
    );
  const until = Date.now() + waitMs;
  let last = asked;
  while (last.state === "pending" && Date.now() < until && signal?.aborted !== true) {
    await pause(Math.min(ASK_EVERY_MS, Math.max(1, until - Date.now())), signal);
    const { requests } = (await operations.requests(true)).body as { requests: readonly BudgetRequest[] };
    last = requests.find(({ id }) => id === asked.id) ?? last;
  }
  return last;
}

/** On the store of the process, where an operator can see it: another process's, or the breaker's in this one. */
async function openRequests(
  { parts }: ProcessState,
  caps: readonly Budget[],
  tags: readonly string[] | undefined,
): Promise<Operations> {
  const enforcement = parts?.enforcement;
  await enforcement?.ready;
  const store = enforcement?.store();
  if (enforcement === undefined || store === undefined || (store.alone && enforcement.breakerUrl() === undefined)) {
    const message = "no operator could see the request: set store to one that processes share, or run the breaker here";
    throw new SpendfuseError("SPENDFUSE_CONFIG", message, {});
  }
  const { createOperations } = await import("../breaker/operations.ts");
  return createOperations(store, undefined, Date.now, tags, () => caps);
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });
}

/** Counts money that was spent in the scope that we are called in. @throws as `readCharge` */
export function chargeHere(state: ProcessState, input: ChargeInput): void {
  const read = readCharge(input);
  const { identifier, contexts, faults } = state;
  const { charge } = openForCalls(state).services;
  const context = contexts.capture();
  const node = faults.guard("identity", () => currentNode(identifier)) ?? context.node;
  const place = { node, around: lookAround(), agentSpan: context.span, work: context.work };
  charge({ ...read, scope: node.scope, at: Date.now() }, place);
}
