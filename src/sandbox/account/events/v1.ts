import { array, type Json, object, text as textOf } from "../../../core/json.ts";
import { type AccountAnswer, type AccountRequest, ok, refuse } from "../answer.ts";
import { type Events, type StoredEvent, sourcesOf } from "./events.ts";

const ROOT = "/api/v1/events";
const PAST_S = 18 * 3_600;
const FUTURE_S = 2 * 3_600;
const MAX_TEXT = 4_000;
const MAX_KEY = 100;
const MAX_ROWS = 1_000;
const ALERT_TYPES = ["error", "warning", "info", "success", "user_update", "recommendation", "snapshot"];
const PLAIN = { "content-type": "text/plain; charset=utf-8" };

/** Version 1 of the API of events. Undefined for a request that it does not have. @param now Seconds. */
export function handleEventsV1(
  { method, path, query, body }: AccountRequest,
  events: Events,
  now: number,
): AccountAnswer | undefined {
  const place = `${method} ${path}`;
  if (place === `POST ${ROOT}`) return post(object(body) ?? {}, events, now);
  if (place === `GET ${ROOT}`) return list(query, events.all);
  const id = /^GET \/api\/v1\/events\/(\d+)$/.exec(place)?.[1];
  if (id === undefined) return undefined;
  const found = events.all.find((event) => String(event.id) === id);
  return found === undefined ? refuse(404, "No event matches that event_id") : ok({ event: show(found) });
}

function post(body: Json, events: Events, now: number): AccountAnswer {
  const fault = faultOf(body, now);
  if (fault !== undefined) return { ...refuse(400, fault), headers: PLAIN };
  const event = events.add({
    title: String(body.title),
    text: String(body.text),
    at: Math.floor(typeof body.date_happened === "number" ? body.date_happened : now),
    tags: array(body.tags).map(String),
    alertType: String(body.alert_type ?? "info"),
    priority: textOf(body.priority) ?? null,
    aggregationKey: textOf(body.aggregation_key),
    source: textOf(body.source_type_name),
    host: textOf(body.host),
  });
  return ok({ status: "ok", event: { ...showPosted(event), related_event_id: body.related_event_id ?? null } }, 202);
}

function list(query: URLSearchParams, events: readonly StoredEvent[]): AccountAnswer {
  const [start, end] = [query.get("start"), query.get("end")].map((text) =>
    text === null ? Number.NaN : Number(text),
  );
  if (!(Number(start) <= Number(end))) return refuse(400, "start and end must be POSIX timestamps");
  const [tags, sources] = [query.get("tags"), query.get("sources")].map((text) => text?.split(",") ?? []);
  const found = events.filter(
    (event) =>
      event.at >= Number(start) &&
      event.at <= Number(end) &&
      (query.get("priority") ?? event.priority) === event.priority &&
      (tags ?? []).every((tag) => event.tags.includes(tag)) &&
      (sources?.length === 0 || sources?.some((source) => sourcesOf(event).includes(source))),
  );
  return ok({ events: found.slice(0, MAX_ROWS).map(show), status: "ok" });
}

/** What is wrong with an event of version 1, in words. */
function faultOf(body: Json, now: number): string | undefined {
  const { title, text, date_happened: at, alert_type: type, aggregation_key: key } = body;
  if (typeof title !== "string" || title === "") return "title is required";
  if (typeof text !== "string") return "text is required";
  if (text.length > MAX_TEXT) return `text is longer than ${MAX_TEXT} characters`;
  if (typeof key === "string" && key.length > MAX_KEY) return `aggregation_key is longer than ${MAX_KEY} characters`;
  if (type !== undefined && !ALERT_TYPES.includes(String(type))) return "Invalid alert_type";
  if (at === undefined) return undefined;
  if (typeof at !== "number") return "date_happened must be an integer";
  if (at < now - PAST_S) return "Event too far in the past";
  return at > now + FUTURE_S ? "Event too far in the future" : undefined;
}

function showPosted({ id, title, text, at, tags, priority }: StoredEvent): object {
  return {
    id,
    id_str: String(id),
    title,
    text,
    date_happened: at,
    handle: null,
    priority,
    tags,
    url: `https://app.datadoghq.com/event/event?id=${id}`,
  };
}

function show(event: StoredEvent): object {
  const { alertType, source, host } = event;
  return {
    ...showPosted(event),
    alert_type: alertType,
    ...(source !== undefined && { source_type_name: source }),
    ...(host !== undefined && { host }),
  };
}
