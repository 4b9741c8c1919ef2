import type { Route } from "../http/exchange.ts";
import { fault } from "./answer.ts";
import { stateOf } from "./operations.ts";
import { readWebhook } from "./webhook.ts";
import { createWebhookNotices } from "./webhook-notices.ts";
import { applyEvent, noticed, readWebhookRequest, type WebhookRouteOptions } from "./webhook-request.ts";

/** The route that receives Datadog's webhooks. */
export function createDatadogWebhookRoute(options: WebhookRouteOptions): Route {
  const { store, ttlMs, clock, tags, say } = options;
  const notices = createWebhookNotices(clock, say);

  return async (exchange) => {
    const read = await readWebhookRequest(exchange, options, notices);
    if (read.type === "refused") return read.answer;
    const now = clock();
    const reading = readWebhook(read.json, now, ttlMs, tags);
    if (reading.type === "fault") return noticed(notices, fault(400, "bad_webhook", reading.why), reading.why);
    if (reading.type === "ignore") {
      notices.ignored(reading.why);
      return { status: 200, body: { applied: false, why: reading.why } };
    }
    const { scope, event, leftOut } = reading;
    const { dry } = read;
    const { circuit, changed, why } = await applyEvent(store, scope, event, now, dry);
    const rest = leftOut.length > 0 ? { leftOut } : {};
    return {
      status: 200,
      body: { applied: changed && !dry, ...(dry && { dryRun: true }), scope, why, ...stateOf(circuit), ...rest },
    };
  };
}
