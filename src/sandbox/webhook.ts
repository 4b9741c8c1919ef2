import { createHash } from "node:crypto";
import type { Change } from "./monitor/watch.ts";
import { groupName } from "./monitor/watch.ts";

/** A webhook of the account. */
export interface Webhook {
  readonly name: string;
  readonly url: string;
  /** A template, as text. */
  readonly payload?: string | null;
  /** A JSON object, as text. */
  readonly custom_headers?: string | null;
  readonly encode_as?: string;
}

export interface Delivery {
  readonly attempts: number;
  readonly answer: string;
  readonly delivered: boolean;
}

export interface WebhookRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Sends one request; resolves to its status, rejects when there is no answer. */
export type Send = (request: WebhookRequest) => Promise<number>;

const TIMEOUT_MS = 15_000;
const ATTEMPTS = 6;

/**
 * The request of a webhook for a change.
 * @param event A number that no other event has.
 * @param text The message as it is sent.
 * @param date What `$DATE` says, in seconds.
 */
export function fillWebhook(
  webhook: Webhook,
  change: Change,
  event: number,
  custom: ReadonlyMap<string, string>,
  text = "",
  date = change.at,
): WebhookRequest {
  const variables = variablesOf(change, event, text, date);
  const fill = (text: string): string => fillVariables(text, variables, custom);
  const form = webhook.encode_as === "form";
  const payload = fill(webhook.payload || DEFAULT_PAYLOAD);
  const headers: Record<string, string> = {
    "content-type": form ? "application/x-www-form-urlencoded" : "application/json",
    "user-agent": "spendfuse-sandbox",
  };
  for (const [name, value] of Object.entries(readHeaders(fill(webhook.custom_headers || "{}"))))
    headers[name.toLowerCase()] = String(value);
  return { url: fill(webhook.url), headers, body: form ? toForm(payload) : payload };
}

/** Datadog's default payload is not known; this one identifies it as not ours. */
const DEFAULT_PAYLOAD = '{"body":"$EVENT_TITLE","id":"$ID"}';

function readHeaders(text: string): Record<string, unknown> {
  try {
    const headers: unknown = JSON.parse(text);
    return typeof headers === "object" && headers !== null ? (headers as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function toForm(payload: string): string {
  try {
    const fields = Object.entries(JSON.parse(payload) as object).map(([name, value]) => [name, String(value)]);
    return new URLSearchParams(fields).toString();
  } catch {
    return new URLSearchParams({ payload }).toString();
  }
}

function variablesOf(
  { watch, alert, transition, at }: Change,
  event: number,
  text: string,
  date: number,
): ReadonlyMap<string, string> {
  const { body, rules, id } = watch;
  const by = rules?.by ?? [];
  const group = groupName(by, alert.tags);
  const tags = [...((body.tags as string[] | undefined) ?? []), ...(group === "*" ? [] : group.split(","))];
  const cycle = createHash("sha256").update(`${id}\n${group}\n${transition.cycle}`).digest("hex").slice(0, 16);
  const name = String(body.name);
  return new Map([
    ["ALERT_ID", String(id)],
    ["ID", String(event)],
    ["ALERT_TRANSITION", transition.name],
    ["ALERT_CYCLE_KEY", cycle],
    ["ALERT_SCOPE", group],
    ["ALERT_QUERY", String(body.query)],
    ["ALERT_TYPE", transition.to === "OK" ? "success" : transition.to === "Warn" ? "warning" : "error"],
    ["ALERT_STATUS", name],
    ["ALERT_TITLE", `[${transition.name}] ${name} on ${group}`],
    ["EVENT_TITLE", `[${transition.name}] ${name} on ${group}`],
    ["TEXT_ONLY_MSG", text],
    ["EVENT_MSG", text],
    [
      "LINK",
      `https://app.datadoghq.com/monitors/${id}?group=${encodeURIComponent(group)}&from_ts=${(at - 3_600) * 1_000}`,
    ],
    ["EVENT_TYPE", "query_alert_monitor"],
    ["ALERT_PRIORITY", body.priority === undefined || body.priority === null ? "" : `P${body.priority}`],
    ["PRIORITY", "normal"],
    ["TAGS", tags.join(",")],
    ["DATE", String(date * 1_000)],
    ["DATE_POSIX", String(date)],
    ["LAST_UPDATED", String(date * 1_000)],
    ["LAST_UPDATED_POSIX", String(date)],
    ["ORG_ID", "1"],
    ["ORG_NAME", "sandbox"],
    ["AGGREG_KEY", cycle],
    ["HOSTNAME", ""],
  ]);
}

/** Unknown variables are left as they are. */
function fillVariables(
  text: string,
  variables: ReadonlyMap<string, string>,
  custom: ReadonlyMap<string, string>,
): string {
  return text.replace(/\$TAGS\[([\w.]+)\]|\$([A-Z][A-Z0-9_]*)/g, (whole, tag: string | undefined, name = "") => {
    if (tag === undefined) return custom.get(name) ?? variables.get(name) ?? whole;
    const found = variables
      .get("TAGS")
      ?.split(",")
      .find((one) => one.startsWith(`${tag}:`));
    return found === undefined ? "" : found.slice(tag.length + 1);
  });
}

/** Sends until the response is below 500, at most six times. Never rejects. @param wait Between the tries. */
export async function deliver(
  request: WebhookRequest,
  send: Send,
  wait: (attempt: number) => Promise<void>,
): Promise<Delivery> {
  let answer = "";
  for (let attempt = 1; ; attempt += 1) {
    try {
      const status = await send(request);
      answer = String(status);
      if (status < 500) return { attempts: attempt, answer, delivered: status >= 200 && status < 300 };
    } catch (error) {
      answer = reasonOf(error);
    }
    if (attempt >= ATTEMPTS) return { attempts: attempt, answer, delivered: false };
    await wait(attempt);
  }
}

function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: string } };
  return cause?.code ?? (error instanceof Error ? error.message : String(error));
}

/** Posts over HTTP and gives up after 15 seconds. */
export const post: Send = async ({ url, headers, body }) => {
  const response = await fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(TIMEOUT_MS) });
  await response.body?.cancel();
  return response.status;
};
