import { array, type Json, object } from "../../../core/json.ts";
import { type AccountAnswer, type AccountRequest, noContent, ok, refuse } from "../answer.ts";
import { iso } from "../iso.ts";
import { type Downtime, type DowntimeOrder, type Downtimes, isScope, statusOf } from "./downtimes.ts";

const ROOT = "/api/v2/downtime";
const USER = "00000000-0000-0000-0000-000000000001";

/** Version 2 of the API of downtimes. Undefined for a request that it does not have. */
export function handleDowntimesV2(
  { method, path, query, body }: AccountRequest,
  downtimes: Downtimes,
  now: number,
): AccountAnswer | undefined {
  const rest = path.slice(ROOT.length);
  if (rest === "" && method === "POST") {
    const order = orderOf(attributesOf(body), now);
    return typeof order === "string" ? refuse(400, order) : answer(downtimes.add(order), now);
  }
  if (rest === "" && method === "GET") return list(downtimes, query, now);
  const id = /^\/([\w-]+)$/.exec(rest)?.[1];
  if (id === undefined || !["GET", "PATCH", "DELETE"].includes(method)) return undefined;
  const known = downtimes.all.find(({ uuid }) => uuid === id);
  if (known === undefined) return refuse(404, `Downtime ${id} not found`);
  if (method === "GET") return answer(known, now);
  if (method === "PATCH") {
    const order = orderOf({ ...show(known, now).attributes, ...attributesOf(body) }, now);
    return typeof order === "string" ? refuse(400, order) : answer(downtimes.change(known, order), now);
  }
  downtimes.cancel(known);
  return noContent();
}

/** `GET /api/v2/monitor/ID/downtime_matches` */
export function downtimeMatches(downtimes: Downtimes, monitor: Parameters<Downtimes["matching"]>[0]): AccountAnswer {
  const data = downtimes.matching(monitor).map(({ uuid, scope, start, end }) => ({
    type: "downtime_match",
    id: uuid,
    attributes: { groups: [scope], scope, start: iso(start), end: isoOrNull(end) },
  }));
  return ok({ data, meta: { page: { total_filtered_count: data.length } } });
}

function list(downtimes: Downtimes, query: URLSearchParams, now: number): AccountAnswer {
  const currentOnly = query.get("current_only") === "true";
  const found = downtimes.all.filter((one) => !currentOnly || statusOf(one, now) === "active");
  const from = Number(query.get("page[offset]") ?? 0);
  const data = found.slice(from, from + Number(query.get("page[limit]") ?? 30)).map((one) => show(one, now));
  return ok({ data, meta: { page: { total_filtered_count: found.length } } });
}

function attributesOf(body: unknown): Json {
  return object(object(object(body)?.data)?.attributes) ?? {};
}

/** What a body asks for, or what is wrong with it. */
function orderOf(attributes: Json, now: number): DowntimeOrder | string {
  const { scope, monitor_identifier: identifier, schedule, message, display_timezone: timezone } = attributes;
  if (typeof scope !== "string" || !isScope(scope)) return "All values must have a key";
  const { monitor_id: monitor, monitor_tags: tags } = object(identifier) ?? {};
  if (typeof monitor !== "number" && !Array.isArray(tags)) return "monitor_identifier must be a monitor or tags";
  const { start, end, recurrences } = object(schedule) ?? {};
  if (recurrences !== undefined) return "the sandbox has no recurring downtimes";
  const [from, to] = [secondsOf(start) ?? now, secondsOf(end) ?? null];
  if (Number.isNaN(from) || Number.isNaN(to)) return "start and end must be dates";
  if (to !== null && to <= from) return "End must be after start";
  return {
    scope,
    of: typeof monitor === "number" ? { monitor } : { tags: array(tags).map(String) },
    start: from,
    end: to,
    message: typeof message === "string" ? message : null,
    timezone: typeof timezone === "string" ? timezone : "UTC",
  };
}

/** Undefined when nothing is said. */
function secondsOf(date: unknown): number | undefined {
  return date === undefined || date === null ? undefined : Date.parse(String(date)) / 1_000;
}

function answer(downtime: Downtime, now: number): AccountAnswer {
  const included = [{ type: "users", id: USER, attributes: { name: "Sandbox", handle: "sandbox@example.com" } }];
  return ok({ data: show(downtime, now), included });
}

function show(downtime: Downtime, now: number): { readonly id: string; readonly attributes: Json } & Json {
  const { uuid, scope, of, start, end, canceled, message, timezone, created, modified } = downtime;
  const monitor = "monitor" in of ? { type: "monitors", id: String(of.monitor) } : null;
  return {
    type: "downtime",
    id: uuid,
    attributes: {
      scope,
      status: statusOf(downtime, now),
      monitor_identifier: "monitor" in of ? { monitor_id: of.monitor } : { monitor_tags: of.tags },
      schedule: { start: iso(start), end: isoOrNull(end) },
      message,
      display_timezone: timezone,
      mute_first_recovery_notification: false,
      notify_end_states: ["warn", "alert", "no data"],
      notify_end_types: ["expired"],
      created: iso(created),
      modified: iso(modified),
      canceled: isoOrNull(canceled),
    },
    relationships: { monitor: { data: monitor }, created_by: { data: { type: "users", id: USER } } },
  };
}

function isoOrNull(seconds: number | null): string | null {
  return seconds === null ? null : iso(seconds);
}
