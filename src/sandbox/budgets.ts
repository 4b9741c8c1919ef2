import type { Answer } from "../http/exchange.ts";
import type { BreakerLink } from "./circuits.ts";
import type { BudgetRowView, BudgetsView, RequestView } from "./view.ts";

const TIMEOUT_MS = 2_000;
/** What the page can do with budgets, as the breaker's paths have it. */
const VERBS = ["raise", "lower", "reset", "approve", "deny"] as const;

/** The breaker's budgets and what is asked for, or why they are not shown. Never rejects. */
export async function readBudgets(link: BreakerLink | undefined): Promise<BudgetsView> {
  if (link === undefined) return none("No breaker is named: start the sandbox with --breaker URL.");
  if (link.token === undefined)
    return none("Budgets are shown to operators: start the sandbox with SPENDFUSE_OPERATOR_TOKEN.");
  try {
    const [{ budgets }, { requests }] = await Promise.all([
      get<{ budgets: readonly BudgetRowView[] }>(link, "/budgets?limit=200"),
      get<{ requests: readonly RequestView[] }>(link, "/budgets/requests"),
    ]);
    return { why: undefined, budgets, requests };
  } catch (error) {
    return none(`The breaker at ${link.url} does not answer: ${(error as Error).message}`);
  }
}

function none(why: string): BudgetsView {
  return { why, budgets: [], requests: [] };
}

async function get<T>({ url, token }: BreakerLink, path: string): Promise<T> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${url}${path}`, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return (await response.json()) as T;
}

/** Forwards what a user of the page has confirmed: `{ verb, … }`, the rest as the breaker takes it. Never rejects. */
export async function changeBudget(link: BreakerLink | undefined, sent: unknown): Promise<Answer> {
  if (link?.token === undefined)
    return fault(409, "start the sandbox with --breaker URL and SPENDFUSE_OPERATOR_TOKEN to change budgets");
  const { verb, ...order } = (sent ?? {}) as { readonly verb?: unknown };
  if (!VERBS.some((known) => known === verb)) return fault(400, `"verb" must be one of ${VERBS.join(", ")}`);
  try {
    const response = await fetch(`${link.url}/budgets/${verb}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${link.token}` },
      body: JSON.stringify(order),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { status: response.status, body: await response.json() };
  } catch {
    return fault(502, `the breaker at ${link.url} does not answer`);
  }
}

function fault(status: number, message: string): Answer {
  return { status, body: { errors: [message] } };
}
