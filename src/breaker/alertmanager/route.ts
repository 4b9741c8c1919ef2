import type { Answer, Route } from "../../http/exchange.ts";
import { closedCircuit, nextCircuit } from "../../limits/circuit.ts";
import { changeCircuit } from "../../stores/store.ts";
import { fault, readJson } from "../answer.ts";
import type { DatadogWebhookOptions } from "../datadog-webhook-route.ts";
import { stateOf } from "../operations.ts";
import { createWebhookNotices } from "../webhook-notices.ts";
import { type AlertReading, readAlertmanager } from "./alerts.ts";

/**
 * The route that receives Alertmanager's webhooks. Each alert is applied by itself: one that cannot be read does not keep
 * the others from opening their circuits. Alertmanager sends again after a 5xx, and not after a 4xx.
 */
export function createAlertmanagerRoute(options: DatadogWebhookOptions): Route {
  const { authorization, bodyMs, clock, ttlMs, tags, say } = options;
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
    const reading = readAlertmanager(read.json, clock(), ttlMs, tags);
    if (reading.type === "fault") return refused(fault(400, "bad_webhook", reading.why), reading.why);
    if (reading.truncated > 0) notices.ignored(`max_alerts left ${reading.truncated} alerts out of it`);
    const dry = query.has("dry_run") && query.get("dry_run") !== "0";
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

async function apply({ store, clock }: DatadogWebhookOptions, reading: AlertReading, dry: boolean): Promise<object> {
  const { alert } = reading;
  if (reading.type !== "change") return { alert, applied: false, why: reading.why };
  const { scope, event } = reading;
  const now = clock();
  const { circuit, changed, why } = dry
    ? nextCircuit((await store.circuit(scope)) ?? closedCircuit(scope), event, now)
    : await changeCircuit(store, scope, event, now);
  return {
    alert,
    status: event.type === "trip" ? "firing" : "resolved",
    applied: changed && !dry,
    scope,
    why,
    ...stateOf(circuit),
  };
}
