import type { Route } from "../../http/exchange.ts";
import { fault } from "../answer.ts";
import { stateOf } from "../operations.ts";
import { createWebhookNotices } from "../webhook-notices.ts";
import { applyEvent, noticed, readWebhookRequest, type WebhookRouteOptions } from "../webhook-request.ts";
import { type AlertReading, readAlertmanager } from "./alerts.ts";

/**
 * The route that receives Alertmanager's webhooks. Each alert is applied by itself: one that cannot be read does not keep
 * the others from opening their circuits. Alertmanager sends again after a 5xx, and not after a 4xx.
 */
export function createAlertmanagerRoute(options: WebhookRouteOptions): Route {
  const { clock, ttlMs, tags, say } = options;
  const notices = createWebhookNotices(clock, say);

  return async (exchange) => {
    const read = await readWebhookRequest(exchange, options, notices);
    if (read.type === "refused") return read.answer;
    const reading = readAlertmanager(read.json, clock(), ttlMs, tags);
    if (reading.type === "fault") return noticed(notices, fault(400, "bad_webhook", reading.why), reading.why);
    if (reading.truncated > 0) notices.ignored(`max_alerts left ${reading.truncated} alerts out of it`);
    const { dry } = read;
    const alerts: object[] = [];
    for (const alert of reading.alerts) alerts.push(await apply(options, alert, dry));
    const faults = reading.alerts.filter(({ type }) => type === "fault");
    for (const one of reading.alerts) {
      if (one.type !== "change")
        notices[one.type === "fault" ? "refused" : "ignored"](`alert ${one.alert}: ${one.why}`);
    }
    const status = faults.length > 0 && faults.length === reading.alerts.length ? 400 : 200;
    const { truncated } = reading;
    return { status, body: { ...(dry && { dryRun: true }), ...(truncated > 0 && { truncated }), alerts } };
  };
}

async function apply({ store, clock }: WebhookRouteOptions, reading: AlertReading, dry: boolean): Promise<object> {
  const { alert } = reading;
  if (reading.type !== "change") return { alert, applied: false, why: reading.why };
  const { scope, event } = reading;
  const { circuit, changed, why } = await applyEvent(store, scope, event, clock(), dry);
  return {
    alert,
    status: event.type === "trip" ? "firing" : "resolved",
    applied: changed && !dry,
    scope,
    why,
    ...stateOf(circuit),
  };
}
