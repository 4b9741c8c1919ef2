import type { Answer, Exchange } from "../http/exchange.ts";
import { type Circuit, type CircuitEvent, closedCircuit, nextCircuit } from "../limits/circuit.ts";
import { changeCircuit, type Store } from "../stores/store.ts";
import { readJson } from "./answer.ts";
import type { Authorization } from "./auth.ts";
import type { WebhookNotices } from "./webhook-notices.ts";

/** What every route of webhooks is given. */
export interface WebhookRouteOptions {
  readonly store: Store;
  readonly authorization: Authorization;
  readonly ttlMs: number;
  readonly bodyMs: number;
  readonly clock: () => number;
  /** The tags that the configuration declares. */
  readonly tags: readonly string[];
  readonly say: (message: string) => void;
}

/** An authorized webhook's body, or the answer to one that is refused. */
export type WebhookRequest =
  | { readonly type: "read"; readonly json: unknown; readonly dry: boolean }
  | { readonly type: "refused"; readonly answer: Answer };

export async function readWebhookRequest(
  { request, query }: Exchange,
  { authorization, bodyMs }: WebhookRouteOptions,
  notices: WebhookNotices,
): Promise<WebhookRequest> {
  const refused = (answer: Answer, why: string): WebhookRequest => ({
    type: "refused",
    answer: noticed(notices, answer, why),
  });
  const stop = authorization.toWebhook(request);
  if (stop) return refused(stop, stop.status === 429 ? "too many" : "no valid secret");
  const read = await readJson(request, bodyMs);
  if ("status" in read) return refused(read, "its body cannot be read");
  return { type: "read", json: read.json, dry: query.has("dry_run") && query.get("dry_run") !== "0" };
}

/** The answer to a webhook that is refused, once the refusal is logged. */
export function noticed(notices: WebhookNotices, answer: Answer, why: string): Answer {
  notices.refused(`${answer.status}, ${why}`);
  return answer;
}

/** Changes a circuit. With `dry` nothing is changed, and the answer is what it would be. */
export async function applyEvent(
  store: Store,
  scope: string,
  event: CircuitEvent,
  now: number,
  dry: boolean,
): Promise<{ readonly circuit: Circuit; readonly changed: boolean; readonly why: string }> {
  return dry
    ? nextCircuit((await store.circuit(scope)) ?? closedCircuit(scope), event, now)
    : await changeCircuit(store, scope, event, now);
}
