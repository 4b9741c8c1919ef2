import { array, type Json, object, text as textOf } from "../../../core/json.ts";
import { type AccountAnswer, type AccountRequest, ok, refuseJsonApi } from "../answer.ts";
import { type Events, type StoredEvent, sourcesOf } from "./events.ts";

const ROOT = "/api/v2/events";
const CATEGORIES = ["alert", "change"];

/** Version 2 of the API of events. Undefined for a request that it does not have. @param now Seconds. */
export function handleEventsV2(
  { method, path, query, body }: AccountRequest,
  events: Events,
  now: number,
): AccountAnswer | undefined {
  const place = `${method} ${path}`;
  if (place === `POST ${ROOT}`) return post(body, events, now);
  if (place === `GET ${ROOT}`) return search(searchOf(query), events.all, now);
  if (place === `POST ${ROOT}/search`) return search(searchOfBody(object(body) ?? {}), events.all, now);
  return undefined;
}

function post(body: unknown, events: Events, now: number): AccountAnswer {
  const {
    title,
    message,
    category,
    tags,
    timestamp,
    aggregation_key: key,
    host,
    ...rest
  } = object(object(object(body)?.data)?.attributes) ?? {};
  if (!CATEGORIES.includes(String(category))) {
    const list = CATEGORIES.map((one) => `"${one}"`).join(", ");
    const place = "$.data.attributes.category";
    return json(refuseJsonApi(400, `JSON validation failed at ${place}: value must be one of: [${list}].`));
  }
  if (typeof title !== "string") return json(refuseJsonApi(400, "JSON validation failed at $.data.attributes.title"));
  const inner = object(rest.attributes) ?? {};
  const event = events.add({
    title,
    text: String(message ?? ""),
    at: Math.floor(timeOf(textOf(timestamp), now) ?? now),
    tags: array(tags).map(String),
    alertType: String(inner.status ?? "info"),
    priority: textOf(inner.priority) ?? null,
    aggregationKey: textOf(key),
    source: undefined,
    host: textOf(host),
  });
  const data = { type: "event", id: "_", attributes: { attributes: { evt: { uid: String(event.id) } } } };
  return ok({ data, links: { self: `https://app.datadoghq.com/event/event?uid=${event.id}` } }, 202);
}

function search(
  { query, from, to, limit = 10, sort }: Search,
  events: readonly StoredEvent[],
  at: number,
): AccountAnswer {
  const [first, last] = [timeOf(from ?? "now-15m", at), timeOf(to ?? "now", at)];
  if (first === undefined || last === undefined) return json(refuseJsonApi(400, "invalid time range"));
  const found = [...searchEvents(events, query ?? "", first, last)];
  if (sort === "timestamp") found.reverse();
  return ok({ data: found.slice(0, limit).map(show) });
}

/** The events in a span of time, in seconds, that have all terms of a query: tags, sources and words. */
export function searchEvents(
  events: readonly StoredEvent[],
  query: string,
  from: number,
  to: number,
): readonly StoredEvent[] {
  const terms = query.split(/\s+/).filter((term) => term !== "" && term !== "*" && term !== "AND");
  return events.filter((event) => event.at >= from && event.at <= to && terms.every((term) => hasTerm(event, term)));
}

interface Search {
  readonly query: string | undefined;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly limit: number | undefined;
  readonly sort: string | undefined;
}

function searchOf(query: URLSearchParams): Search {
  const of = (name: string): string | undefined => query.get(name) ?? undefined;
  const limit = of("page[limit]");
  return {
    query: of("filter[query]"),
    from: of("filter[from]"),
    to: of("filter[to]"),
    limit: limit === undefined ? undefined : Number(limit),
    sort: of("sort"),
  };
}

function searchOfBody({ filter, page, sort }: Json): Search {
  const { query, from, to } = object(filter) ?? {};
  const { limit } = object(page) ?? {};
  return {
    query: textOf(query),
    from: textOf(from),
    to: textOf(to),
    limit: typeof limit === "number" ? limit : undefined,
    sort: textOf(sort),
  };
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** Seconds of `now`, `now-15m`, milliseconds or a date. */
function timeOf(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const [whole, count, unit = ""] = /^now(?:-(\d+)([smhd]))?$/.exec(text) ?? [];
  if (whole !== undefined) return count === undefined ? now : now - Number(count) * (UNITS[unit] as number);
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms / 1_000;
}

function hasTerm(event: StoredEvent, term: string): boolean {
  if (event.tags.includes(term)) return true;
  if (term.startsWith("source:")) return sourcesOf(event).includes(term.slice("source:".length));
  return `${event.title}\n${event.text}`.toLowerCase().includes(term.toLowerCase());
}

function show({ id, title, text, at, tags, alertType, priority, aggregationKey, host }: StoredEvent): object {
  const attributes = {
    title,
    timestamp: at * 1_000,
    status: alertType,
    priority: priority ?? "normal",
    service: "undefined",
    evt: { id: String(id), type: "api" },
    ...(aggregationKey !== undefined && { aggregation_key: aggregationKey }),
    ...(host !== undefined && { hostname: host }),
  };
  const timestamp = new Date(at * 1_000).toISOString();
  return { type: "event", id: String(id), attributes: { attributes, message: text, tags, timestamp } };
}

/** This API refuses as JSON:API does, but calls it JSON. */
function json({ status, body }: AccountAnswer): AccountAnswer {
  return { status, body };
}
