import type { BudgetRequest } from "./breaker/budgets/requests.ts";
import type { SettledCall } from "./core/call.ts";
import { requireFunction } from "./core/errors.ts";
import type { Ledger } from "./core/ledger.ts";
import type { ScopeFields } from "./core/scope.ts";
import type { Approve } from "./guard/approval.ts";
import type { BudgetUse } from "./guard/budgets/budget-counter.ts";
import type { Remaining } from "./guard/budgets/remaining.ts";
import type { ChargeInput } from "./pricing/charge.ts";
import type { BudgetOrder, WaitOptions } from "./process/charging.ts";
import type { OutcomeUse } from "./process/outcomes/outcomes.ts";
import { type StartOptions, theRuntime } from "./process/runtime.ts";

/**
 * Attributes every model call in `fn` to `fields`. Scopes nest: an inner one inherits, and what is spent in
 * it rolls up to the outer ones. With an `agent` it is also a span, `invoke_agent NAME`, that carries the sums.
 * Returns what `fn` returns, a promise or a generator included.
 */
export function scope<T>(fields: ScopeFields, fn: () => T): T {
  return theRuntime().scoping.scope(fields, fn);
}

/** Binds `fn` to the scope it is bound in, for queues and event handlers that run elsewhere. */
export function bind<A extends unknown[], R>(fn: (...args: A) => R): (...args: A) => R {
  requireFunction("bind", fn);
  return theRuntime().scoping.bind(fn);
}

/**
 * Puts the scope that it is called in, ids included, into what goes to another process of yours, and returns it: headers
 * of a request or of a queue's message (a plain object, `Headers`, `Map`, or a list of pairs), or the `_meta` of MCP. It
 * is one entry, `baggage`, in W3C's format; other members of it are kept.
 */
export function inject<C extends object = { baggage?: string }>(carrier: C = {} as C): C {
  return theRuntime().propagation.inject(carrier);
}

/**
 * Runs `fn` inside the scope that {@link inject} put into `carrier`: agents named in `fn` work for those named there, and
 * what they spend rolls up to them. Without one it just runs `fn`. Returns what `fn` returns.
 */
export function extract<T>(carrier: unknown, fn: () => T): T {
  return theRuntime().propagation.extract(carrier, fn);
}

/**
 * Calls `listener` once for every settled call. Returns a function that removes it.
 * @throws SpendfuseError with code `SPENDFUSE_USAGE` when `listener` is no function.
 */
export function onCall(listener: (call: SettledCall) => unknown): () => void {
  requireFunction("onCall", listener);
  const { listeners } = theRuntime();
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * Counts money that was spent on something other than a model call, such as a paid search, in the scope that it is called
 * in: once, in the ledger, budgets, metrics, spans and reports. It refuses nothing, because it has happened; a budget
 * that it uses up refuses what comes next.
 * @throws SpendfuseError with code `SPENDFUSE_CHARGE` when a value is invalid; nothing is counted then.
 */
export function charge(input: ChargeInput): void {
  theRuntime().charge(input);
}

/**
 * Says what came of the work of the scope that it is called in, such as `resolved`: what is spent in that scope, inner
 * scopes without an outcome of their own included, then belongs to this outcome in {@link outcomes} and in `spendfuse
 * report --by outcome`. The last word counts. A scope whose function throws without one is `failed`, and `retried` once a
 * scope names the same `run` again. The first 100 texts are kept apart, written as tags are; those beyond are `other`.
 * Returns false outside of any scope, where it does nothing.
 * @throws SpendfuseError with code `SPENDFUSE_USAGE` for a text without a letter or digit.
 */
export function outcome(name: string): boolean {
  return theRuntime().outcome(name);
}

/** What each outcome has cost in this process, and how often it came. */
export function outcomes(): readonly OutcomeUse[] {
  return theRuntime().outcomes();
}

/**
 * Settles the calls that are still open, and sends everything that was metered. For serverless functions and scripts.
 * Never rejects; what cannot be sent is kept on disk for the next start.
 */
export function flush(): Promise<void> {
  return theRuntime().flush();
}

/** A metered fetch, for a client that is given its own instead of using the global one. */
export function wrapFetch(inner: typeof fetch): typeof fetch {
  requireFunction("wrapFetch", inner);
  return theRuntime().wrapFetch(inner);
}

/**
 * Asks `approve` before a call is refused. Returning `true` or a reason allows this one call; it is logged.
 * Returns a function that removes it.
 */
export function onBlocked(approve: Approve): () => void {
  requireFunction("onBlocked", approve);
  const { approvers } = theRuntime();
  approvers.add(approve);
  return () => approvers.delete(approve);
}

/**
 * Runs `fn` with the calls in it allowed to use what a budget keeps for finalisation, so that an agent whose budget is
 * used up can still write down what it found. The cap itself holds. Returns what `fn` returns.
 */
export function finalise<T>(fn: () => T): T {
  return theRuntime().finalise(fn);
}

/** Where the breaker inside this process listens: `start({ breaker: { port: 0 } })` takes any free port. */
export function breakerUrl(): string | undefined {
  return theRuntime().breakerUrl();
}

/**
 * Starts metering: installs the hook at once and loads the rest. Starting twice is fine. The keys of
 * `spendfuse.config.json` stand at the top level: `start({ budgets: [...], mode: "shadow" })`.
 * @throws SpendfuseError with code `SPENDFUSE_CONFIG` when a value is invalid or a key unknown; its `facts` hold `key`,
 *   `fix` and all `problems`.
 */
export function start(options: StartOptions = {}): Promise<void> {
  return theRuntime().start(options);
}

/** Removes the hook and stops exporting, after a last flush. */
export function stop(): Promise<void> {
  return theRuntime().stop();
}

/** The local account of spend: the truth that every metric is a view of. */
export function ledger(): Pick<Ledger, "sums" | "accounts"> {
  return theRuntime().ledger;
}

/** Usage of the budgets that this process has counted. */
export function budgets(): readonly BudgetUse[] {
  return theRuntime().budgets();
}

/**
 * What is left of each budget that applies to the scope that it is called in, the least share of its cap first; empty
 * without any. It is never more than a call would get at that moment; inside {@link finalise} the reserve counts as well.
 * Never rejects.
 */
export function remaining(): Promise<readonly Remaining[]> {
  return theRuntime().remaining();
}

/** A tool that a model may call to learn what it has left. `run` returns {@link remaining} as JSON. */
export const remainingTool: RemainingTool = {
  name: "remaining_budget",
  description:
    "Returns what is left of the budgets of this task, in USD, tokens, calls or seconds of calls, and when each is renewed. Call it before long work, and finish with what you have when little is left or `finalising` is true.",
  inputSchema: { type: "object", properties: {}, additionalProperties: false },
  run: async () => JSON.stringify({ budgets: await remaining() }),
};

/**
 * Asks an operator for a raise of a budget, in the scope that it is called in. Nothing changes until one approves it, and
 * silence approves nothing. Resolves to the request as it stands after `waitMs` (0 without it), or once it is answered.
 * @throws SpendfuseError `SPENDFUSE_USAGE` for an invalid order, `SPENDFUSE_CONFIG` where no operator could see it.
 */
export function requestBudget(order: BudgetOrder, options?: WaitOptions): Promise<BudgetRequest> {
  return theRuntime().requestBudget(order, options);
}

/** How often each internal step failed and was swallowed. */
export function faults(): ReadonlyMap<string, number> {
  return theRuntime().faults.counts();
}

/** A tool as an SDK needs it: its name, its description, the JSON schema of its input, and what it does. */
export interface RemainingTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: {
    readonly type: "object";
    readonly properties: Readonly<Record<string, never>>;
    readonly additionalProperties: false;
  };
  /** Called in the scope of the agent that asks. */
  readonly run: () => Promise<string>;
}

export type { BudgetRequest, RequestState } from "./breaker/budgets/requests.ts";
export type { CostSource, Ending, Priced, Quality, SettledCall, UsagePart } from "./core/call.ts";
export type {
  BaggageConfig,
  BillingConfig,
  BreakerConfig,
  BudgetConfig,
  ChargeConfig,
  ConfigFile,
  Discount,
  HostConfig,
  Mode,
  PriceRowConfig,
  RepeatConfig,
} from "./core/config-types.ts";
export { isSpendfuseError, SpendfuseError } from "./core/errors.ts";
export type { Ledger, Sums, Window } from "./core/ledger.ts";
export type { Scope, ScopeFields, TagValues } from "./core/scope.ts";
export type { Usage } from "./core/usage.ts";
export type { Approval, Approve } from "./guard/approval.ts";
export { type Blocked, isBlocked } from "./guard/blocked.ts";
export type { BudgetUse } from "./guard/budgets/budget-counter.ts";
export type { Remaining } from "./guard/budgets/remaining.ts";
export { instrumentation } from "./instrumentation.ts";
export { hashKey } from "./meter/identity/api-key.ts";
export type { ChargeInput } from "./pricing/charge.ts";
export type { BudgetOrder, WaitOptions } from "./process/charging.ts";
export type { OutcomeUse } from "./process/outcomes/outcomes.ts";
export type { StartOptions } from "./process/runtime.ts";
