import { beforeEach, describe, expect, test } from "vitest";
import { createSandbox, type Sandbox } from "../../src/sandbox/sandbox.ts";

const NOW = 1_790_000_000;
const KEYS = { "dd-api-key": "a", "dd-application-key": "b" };
const SCOPE = ["agent:a", "team:t"];

/** What tests read of an answer. */
type Answered = Readonly<Record<string, unknown>> & {
  readonly id: number;
  readonly event: { readonly id: number };
  readonly events: readonly { readonly title: string }[];
  readonly data: { readonly id: string };
  readonly state: { readonly groups: object };
};

let sandbox: Sandbox;
let now = NOW;
beforeEach(() => {
  now = NOW;
  const clock = { type: "simulated", speed: 0, now: () => now, at: (at: number) => at, advance: () => {} } as const;
  sandbox = createSandbox({ clock, send: async () => 200 });
});

function ask(method: string, target: string, body?: unknown, headers: Record<string, string> = KEYS) {
  const { pathname: path, searchParams: query } = new URL(target, "http://localhost");
  const answer = sandbox.account.handle({ method, path, query, headers, body });
  return { status: answer?.status, body: answer?.body as Answered };
}

function monitor(more: object = {}): number {
  const query = "sum(last_1h):sum:m{*} by {agent}.as_count() > 20";
  const { body } = ask("POST", "/api/v1/monitor", { type: "query alert", name: "m", query, message: "x", ...more });
  return body.id;
}

describe("events", () => {
  test("posted with an API key alone, answered as recorded", () => {
    const body = { title: "t", text: "A text message.", tags: ["test:x"] };
    const posted = ask("POST", "/api/v1/events", body, { "dd-api-key": "a" });
    const id = posted.body.event.id;
    expect(posted).toMatchObject({ status: 202 });
    expect(posted.body).toEqual({
      status: "ok",
      event: {
        ...{ id, id_str: String(id), title: "t", text: "A text message.", date_happened: NOW, handle: null },
        ...{ priority: null, related_event_id: null, tags: ["test:x"] },
        url: `https://app.datadoghq.com/event/event?id=${id}`,
      },
    });
    expect(ask("GET", `/api/v1/events/${id}`).body).toMatchObject({ event: { title: "t", alert_type: "info" } });
    expect(ask("GET", "/api/v1/events/1")).toMatchObject({ status: 404 });
    expect(ask("POST", "/api/v1/events", body, {})).toMatchObject({ status: 401 });
    expect(ask("GET", "/api/v1/events?start=0&end=1", undefined, { "dd-api-key": "a" })).toMatchObject({ status: 403 });
  });

  test.each([
    [{ title: "t", text: "x", date_happened: 1 }, "Event too far in the past"],
    [{ title: "t", text: "x", date_happened: NOW + 9_000 }, "Event too far in the future"],
    [{ text: "x" }, "title is required"],
    [{ title: "t" }, "text is required"],
    [{ title: "t", text: "x".repeat(4_001) }, "text is longer than 4000 characters"],
    [{ title: "t", text: "x", aggregation_key: "x".repeat(101) }, "aggregation_key is longer than 100 characters"],
    [{ title: "t", text: "x", alert_type: "bad" }, "Invalid alert_type"],
  ])("%j is refused", (body, why) => {
    expect(ask("POST", "/api/v1/events", body)).toMatchObject({ status: 400, body: { errors: [why] } });
  });

  test("listed by time, tags, source and priority, the newest first", () => {
    for (const [title, more] of [
      ["old", { date_happened: NOW - 600, tags: ["source:spendfuse"] }],
      ["new", { tags: ["source:spendfuse", "agent:a"], priority: "low" }],
      ["other", { source_type_name: "jenkins" }],
    ] as const)
      ask("POST", "/api/v1/events", { title, text: "x", ...more });
    const titles = (query: string): readonly string[] =>
      ask("GET", `/api/v1/events?start=${NOW - 900}&end=${NOW}${query}`).body.events.map(({ title }) => title);
    expect(titles("")).toHaveLength(3);
    expect(titles("").at(-1)).toBe("old");
    expect(titles("&tags=source:spendfuse,agent:a")).toEqual(["new"]);
    expect(titles("&sources=spendfuse")).toEqual(["new", "old"]);
    expect(titles("&sources=jenkins")).toEqual(["other"]);
    expect(titles("&priority=low")).toEqual(["new"]);
    expect(ask("GET", "/api/v1/events")).toMatchObject({ status: 400 });
  });

  test("version 2: posted as recorded, and found", () => {
    const attributes = { title: "flag on", message: "m", category: "change", tags: ["env:test"] };
    expect(ask("POST", "/api/v2/events", { data: { type: "event", attributes } })).toMatchObject({
      status: 202,
      body: { data: { id: "_", type: "event", attributes: { attributes: { evt: { uid: expect.any(String) } } } } },
    });
    const bad = { data: { type: "event", attributes: { ...attributes, category: "invalid" } } };
    expect(ask("POST", "/api/v2/events", bad)).toMatchObject({
      status: 400,
      body: {
        errors: [
          {
            status: "400",
            title: "Bad Request",
            detail: 'JSON validation failed at $.data.attributes.category: value must be one of: ["alert", "change"].',
          },
        ],
      },
    });
    const found = { attributes: { message: "m", tags: ["env:test"], attributes: { title: "flag on" } }, type: "event" };
    const filter = { query: "env:test flag", from: "now-15m", to: "now" };
    expect(ask("POST", "/api/v2/events/search", { filter }).body.data).toMatchObject([found]);
    expect(ask("GET", "/api/v2/events?filter[query]=env:test&filter[from]=now-1h").body.data).toMatchObject([found]);
    expect(ask("GET", "/api/v2/events?filter[query]=env:prod").body).toEqual({ data: [] });
    expect(ask("GET", "/api/v2/events?filter[to]=now-5m").body).toEqual({ data: [] });
  });
});

describe("downtimes", () => {
  test("version 1: as recorded", () => {
    const id = monitor();
    const order = { message: "m", monitor_id: id, scope: ["test:x"], start: NOW - 1, timezone: "Etc/UTC" };
    const { status, body } = ask("POST", "/api/v1/downtime", order);
    expect(status).toBe(200);
    expect(body).toEqual({
      ...{ recurrence: null, end: null, monitor_tags: ["*"], child_id: null, canceled: null, monitor_id: id },
      ...{ created: NOW, org_id: 1, modified: NOW, disabled: false, start: NOW - 1, creator_id: 1, parent_id: null },
      ...{ timezone: "Etc/UTC", active: true, scope: ["test:x"], message: "m", downtime_type: 2, updater_id: null },
      ...{ id: expect.any(Number), mute_first_recovery_notification: false },
    });
    expect(ask("PUT", `/api/v1/downtime/${body.id}`, { message: "new" }).body).toMatchObject({ message: "new" });
    expect(ask("GET", `/api/v1/monitor/${id}/downtimes`).body).toHaveLength(1);
    for (const _ of [1, 2]) expect(ask("DELETE", `/api/v1/downtime/${body.id}`).status).toBe(204);
    expect(ask("GET", `/api/v1/downtime/${body.id}`).body).toMatchObject({
      active: false,
      disabled: true,
      canceled: NOW,
    });
    expect(ask("GET", "/api/v1/downtime?current_only=true").body).toEqual([]);
    expect(ask("GET", "/api/v1/downtime/0")).toMatchObject({ status: 404, body: { errors: ["Downtime not found"] } });
  });

  test("version 1: canceled by scope", () => {
    const { body } = ask("POST", "/api/v1/downtime", { scope: ["env:x"] });
    expect(ask("POST", "/api/v1/downtime/cancel/by_scope", { scope: "env:x" }).body).toEqual({
      cancelled_ids: [body.id],
    });
    expect(ask("POST", "/api/v1/downtime/cancel/by_scope", { scope: "env:x" }).status).toBe(404);
  });

  test.each([
    [{ monitor_tags: ["a"] }, "Invalid scope parameter"],
    [{ scope: ["noKey"] }, "Invalid scope parameter"],
    [{ scope: ["a:b"], end: NOW - 1 }, "End must be after start"],
    [{ scope: ["a:b"], recurrence: { type: "days", period: 1 } }, "the sandbox has no recurring downtimes"],
  ])("version 1 refuses %j", (body, why) => {
    expect(ask("POST", "/api/v1/downtime", body)).toMatchObject({ status: 400, body: { errors: [why] } });
  });

  test("version 2: as recorded", () => {
    const attributes = {
      message: "m",
      monitor_identifier: { monitor_tags: ["cat:hat"] },
      schedule: { start: null },
      scope: "test:x",
    };
    const { status, body } = ask("POST", "/api/v2/downtime", { data: { type: "downtime", attributes } });
    expect(status).toBe(200);
    expect(body.data).toMatchObject({
      type: "downtime",
      attributes: {
        ...{ display_timezone: "UTC", scope: "test:x", notify_end_states: ["warn", "alert", "no data"], message: "m" },
        ...{ status: "active", canceled: null, monitor_identifier: { monitor_tags: ["cat:hat"] } },
        ...{ schedule: { end: null }, notify_end_types: ["expired"], mute_first_recovery_notification: false },
      },
      relationships: { monitor: { data: null }, created_by: { data: { type: "users" } } },
    });
    const id = body.data.id;
    const matching = monitor({ tags: ["cat:hat"] });
    expect(ask("GET", `/api/v2/monitor/${matching}/downtime_matches`).body).toMatchObject({
      data: [{ type: "downtime_match", id, attributes: { groups: ["test:x"], scope: "test:x", end: null } }],
      meta: { page: { total_filtered_count: 1 } },
    });
    const patch = { data: { id, type: "downtime", attributes: { message: "new" } } };
    expect(ask("PATCH", `/api/v2/downtime/${id}`, patch).body.data).toMatchObject({ attributes: { message: "new" } });
    expect(ask("DELETE", `/api/v2/downtime/${id}`).status).toBe(204);
    expect(ask("GET", `/api/v2/downtime/${id}`).body.data).toMatchObject({ attributes: { status: "canceled" } });
    const none = "00000000-0000-1234-0000-000000000000";
    expect(ask("GET", `/api/v2/downtime/${none}`)).toMatchObject({
      status: 404,
      body: { errors: [`Downtime ${none} not found`] },
    });
    const bad = { data: { type: "downtime", attributes: { ...attributes, scope: "NO_KEY" } } };
    expect(ask("POST", "/api/v2/downtime", bad)).toMatchObject({
      status: 400,
      body: { errors: ["All values must have a key"] },
    });
  });

  test.each([
    ["one of its tags", ["agent:a"], true],
    ["all of its tags", SCOPE, true],
    ["everything", ["*"], true],
    ["another agent", ["agent:b"], false],
    ["a tag that it has not", ["agent:a", "env:x"], false],
  ])("silence of %s", (_, scope, muted) => {
    const id = monitor();
    const tags = new Map(SCOPE.map((tag) => tag.split(":") as [string, string]));
    expect(sandbox.account.isMuted(id, tags)).toBe(false);
    ask("POST", "/api/v1/downtime", { monitor_id: id, scope, end: NOW + 60 });
    expect(sandbox.account.isMuted(id, tags)).toBe(muted);
    expect(sandbox.account.isMuted(monitor({ name: "other" }), tags)).toBe(false);
    expect(ask("GET", `/api/v1/monitor/${id}?with_downtimes=true`).body.matching_downtimes).toMatchObject([{ scope }]);
    now = NOW + 60;
    expect(sandbox.account.isMuted(id, tags)).toBe(false);
    expect(ask("GET", `/api/v1/monitor/${id}?with_downtimes=true`).body.matching_downtimes).toEqual([]);
  });

  test("a monitor's own mutes silence it, too", () => {
    const tags = new Map([["agent", "a"]]);
    expect(sandbox.account.isMuted(monitor({ options: { silenced: { "*": null } } }), tags)).toBe(true);
    expect(sandbox.account.isMuted(monitor({ options: { silenced: { "agent:a": NOW - 1 } } }), tags)).toBe(false);
  });
});

describe("states of groups", () => {
  test("only when asked for, by status", async () => {
    const id = monitor({ options: { new_group_delay: 0 } });
    const of = (query: string) => ask("GET", `/api/v1/monitor/${id}${query}`).body;
    expect(of("")).toMatchObject({ overall_state: "No Data", overall_state_modified: null });
    expect(of("")).not.toHaveProperty("state");
    for (const [agent, usd] of [
      ["a", 30],
      ["b", 1],
    ] as const)
      sandbox.store.write("m", "count", agent, () => [`agent:${agent}`], NOW, usd);
    now = NOW + 120;
    await sandbox.tick();
    const at = Math.ceil((NOW + 1) / 60) * 60;
    expect(of("?group_states=all")).toMatchObject({
      overall_state: "Alert",
      overall_state_modified: expect.any(String),
      state: {
        groups: {
          "agent:a": {
            name: "agent:a",
            status: "Alert",
            last_triggered_ts: at,
            last_notified_ts: at,
            last_resolved_ts: null,
          },
          "agent:b": { name: "agent:b", status: "OK", last_triggered_ts: null },
        },
      },
    });
    expect(Object.keys(of("?group_states=alert,warn").state.groups)).toEqual(["agent:a"]);
    expect(ask("GET", "/api/v1/monitor?group_states=all").body).toMatchObject([{ state: { groups: {} } }]);
  });
});
