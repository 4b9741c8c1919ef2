import { array, type Json, object } from "../../../core/json.ts";
import { type AccountAnswer, type AccountRequest, ok, refuse } from "../answer.ts";
import { type Downtime, type DowntimeOrder, type Downtimes, isScope, statusOf } from "./downtimes.ts";

const ROOT = "/api/v1/downtime";
const NOT_FOUND = "Downtime not found";

/** Version 1 of the API of downtimes. Undefined for a request that it does not have. */
export function handleDowntimesV1(
  { method, path, query, body }: AccountRequest,
  downtimes: Downtimes,
  now: number,
): AccountAnswer | undefined {
  const rest = path.slice(ROOT.length);
  if (rest === "" && method === "POST") return create(body, downtimes, now);
  if (rest === "" && method === "GET") {
    const active = query.get("current_only") === "true";
    const shown = downtimes.all.filter((one) => !active || statusOf(one, now) === "active");
    return ok(shown.map((one) => show(one, now)));
  }
  if (rest === "/cancel/by_scope" && method === "POST") return cancelByScope(body, downtimes, now);
  const id = /^\/(\d+)$/.exec(rest)?.[1];
  const known = downtimes.all.find((one) => String(one.id) === id);
  if (id === undefined || !["GET", "PUT", "DELETE"].includes(method)) return undefined;
  if (known === undefined) return refuse(404, NOT_FOUND);
  if (method === "GET") return ok(show(known, now));
  if (method === "PUT") return change(known, body, downtimes, now);
  downtimes.cancel(known);
  return { status: 204 };
}

/** `GET /api/v1/monitor/ID/downtimes` */
export function downtimesOfMonitor(downtimes: Downtimes, monitor: Parameters<Downtimes["matching"]>[0], now: number) {
  return ok(downtimes.matching(monitor).map((one) => show(one, now)));
}

/** As `matching_downtimes` of a monitor lists it. */
export function showMatching({ id, scope, start, end }: Downtime): object {
  return { id, scope: tagsOf(scope), start: Math.floor(start), end };
}

function create(body: unknown, downtimes: Downtimes, now: number): AccountAnswer {
  const order = orderOf(object(body) ?? {}, now);
  return typeof order === "string" ? refuse(400, order) : ok(show(downtimes.add(order), now));
}

function change(known: Downtime, body: unknown, downtimes: Downtimes, now: number): AccountAnswer {
  const order = orderOf({ ...show(known, now), ...object(body) }, now);
  return typeof order === "string" ? refuse(400, order) : ok(show(downtimes.change(known, order), now));
}

function cancelByScope(body: unknown, downtimes: Downtimes, now: number): AccountAnswer {
  const { scope } = object(body) ?? {};
  const found = downtimes.all.filter(
    (one) => tagsOf(one.scope).join(",") === scope && ["active", "scheduled"].includes(statusOf(one, now)),
  );
  if (found.length === 0) return refuse(404, NOT_FOUND);
  for (const one of found) downtimes.cancel(one);
  return ok({ cancelled_ids: found.map(({ id }) => id) });
}

/** What a body asks for, or what is wrong with it. */
function orderOf(body: Json, now: number): DowntimeOrder | string {
  const { scope, monitor_id: monitor, monitor_tags: tags, start, end, message, timezone, recurrence } = body;
  const scopes = (Array.isArray(scope) ? scope : [scope]).map(String);
  if (scope === undefined || scopes.length === 0 || !scopes.every(isScope)) return "Invalid scope parameter";
  if (recurrence !== undefined && recurrence !== null) return "the sandbox has no recurring downtimes";
  if (typeof end === "number" && end <= (typeof start === "number" ? start : now)) return "End must be after start";
  return {
    scope: scopes.join(" AND "),
    of: typeof monitor === "number" ? { monitor } : { tags: array(tags ?? ["*"]).map(String) },
    start: typeof start === "number" ? start : Math.floor(now),
    end: typeof end === "number" ? end : null,
    message: typeof message === "string" ? message : null,
    timezone: typeof timezone === "string" ? timezone : "UTC",
  };
}

function show(downtime: Downtime, now: number): Json {
  const { id, scope, of, start, end, canceled, message, timezone, created, modified } = downtime;
  const tags = tagsOf(scope);
  return {
    id,
    org_id: 1,
    monitor_id: "monitor" in of ? of.monitor : null,
    monitor_tags: "tags" in of ? of.tags : ["*"],
    scope: tags,
    downtime_type: tags.every((tag) => tag === "*") ? 0 : tags.every((tag) => tag.startsWith("host:")) ? 1 : 2,
    start: Math.floor(start),
    end,
    timezone,
    recurrence: null,
    active: statusOf(downtime, now) === "active",
    disabled: canceled !== null,
    canceled: canceled === null ? null : Math.floor(canceled),
    message,
    mute_first_recovery_notification: false,
    parent_id: null,
    child_id: null,
    creator_id: 1,
    updater_id: null,
    created: Math.floor(created),
    modified: Math.floor(modified),
  };
}

function tagsOf(scope: string): readonly string[] {
  return scope.split(/ AND |,/).map((tag) => tag.trim());
}
