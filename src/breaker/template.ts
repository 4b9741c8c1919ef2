/** The webhook to configure in Datadog's integration, made of the integration's own variables. */
export const WEBHOOK_NAME = "spendfuse";

/**
 * Every value in quotes: a variable that is not filled in must not break the JSON. Free text comes last, so that a quote in
 * it does not hide the rest. The message says the value and the limit, the query the limit.
 */
export const PAYLOAD = `{
  "v": 1,
  "monitor": "$ALERT_ID",
  "event": "$ID",
  "transition": "$ALERT_TRANSITION",
  "cycle": "$ALERT_CYCLE_KEY",
  "scope": "$ALERT_SCOPE",
  "tags": "$TAGS",
  "at": "$DATE",
  "org": "$ORG_ID",
  "link": "$LINK",
  "title": "$EVENT_TITLE",
  "query": "$ALERT_QUERY",
  "text": "$TEXT_ONLY_MSG"
}`;

/** The secret is a custom variable of the integration, marked as hidden. */
export const SECRET_VARIABLE = "SPENDFUSE_WEBHOOK_SECRET";
export const HEADERS = `{ "x-spendfuse-secret": "$${SECRET_VARIABLE}" }`;
