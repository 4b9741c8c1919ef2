import type { Answer, Route } from "../http/exchange.ts";
import { closedCircuit, nextCircuit } from "../limits/circuit.ts";
import { changeCircuit, type Store } from "../stores/store.ts";
import { fault, readJson } from "./answer.ts";
import type { Authorization } from "./auth.ts";
import { stateOf } from "./operations.ts";
import { readWebhook } from "./webhook.ts";
import { createWebhookNotices } from "./webhook-notices.ts";

export interface DatadogWebhookOptions {
  readonly store: Store;
  readonly authorization: Authorization;
  readonly ttlMs: number;
  readonly bodyMs: number;
  readonly clock: () => number;
  /** The tags that the configuration declares. */
  readonly tags: readonly string[];
  readonly say: (message: string) => void;
}

/** The route that receives Datadog's webhooks. */
export function createDatadogWebhookRoute({
  store,
  authorization,
  ttlMs,
  bodyMs,
  clock,
  tags,
  say,
}: DatadogWebhookOptions): Route {
  const notices = createWebhookNotices(clock, say);

  function refused(answer: Answer, why: string): Answer {
    notices.refused(`${answer.status}, ${why}`);
    return answer;
  }

  return async ({ request, query }) => {
    const stop = authorization.toWebhook(request);
    if (stop) return refused(stop, stop.status === 429 ? "too many" : "no valid secret");
    const read = await readJson(request, bodyMs);
    if ("status" in read) return refused(read, "its body cannot be read");
    const now = clock();
    const reading = readWebhook(read.json, now, ttlMs, tags);
    if (reading.type === "fault") return refused(fault(400, "bad_webhook", reading.why), reading.why);
    if (reading.type === "ignore") {
      notices.ignored(reading.why);
      return { status: 200, body: { applied: false, why: reading.why } };
    }
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
  };
}
